//! FFI only.
