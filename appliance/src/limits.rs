//! Every bound in one place: queues, bodies, counts and waits.
//!
//! A limit that a user may change is the default of a configuration key; the others hold always.
