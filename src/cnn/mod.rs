//! CNN.
