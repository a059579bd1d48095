//! The HTTP front door: publish, tail, admin, and the one place where errors become HTTP.
