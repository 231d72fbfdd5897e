//! day
