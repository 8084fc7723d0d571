//! The keys that every client shares: endpoint, headers, compression, timeouts.
