//! Train.
pub mod cpu;
pub mod run;
pub mod space;
pub mod workspace;
