//! Typed views of bytes.
