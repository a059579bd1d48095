//! Forwarding requests to upstream services.
