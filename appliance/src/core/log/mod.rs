//! The log: what is written, in which order, and how it is found again.
