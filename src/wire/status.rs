//! The small messages of the protocol: `Export…ServiceResponse` with its partial success, and `google.rpc.Status` with `RetryInfo`, in protobuf and JSON.
