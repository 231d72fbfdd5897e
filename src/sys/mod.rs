//! What the operating system gives, behind safe types: files, memory, devices.
//!
//! The only module that holds `unsafe`, apart from `ring`; each block with its proof. Never decides.

#![allow(unsafe_code)]

pub mod file;
pub mod log_memory;
