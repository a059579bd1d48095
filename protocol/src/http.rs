//! The HTTP forms: publish request, receipt and problem details (RFC 9457).
