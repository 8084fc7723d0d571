//! Decompression of incoming bodies, with a cap on what comes out.
