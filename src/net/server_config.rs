//! The keys that every server shares: endpoint, limits, timeouts, CORS.
