//! The edges of `rskafka` 0.6, each provoked: they are numbered as in ARCHITECTURE.md.
mod keep;
mod mute;
mod publishing;
mod reading;
