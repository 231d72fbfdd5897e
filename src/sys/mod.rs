//! What the operating system and foreign libraries give, behind safe types: files, memory, devices.
//!
//! Apart from `ring`, the only module that holds `unsafe`; each block with its proof. Nothing here
//! knows of orders, sessions or frames.
#![allow(unsafe_code)]

pub mod alloc_count;
pub mod cpu_time;
#[cfg(feature = "dpdk")]
pub mod dpdk;
pub mod epoll;
pub mod file;
pub mod interface;
pub mod log_memory;
pub mod log_positions;
pub mod log_sync;
pub mod memory;
pub mod prefault;
pub mod process;
pub mod reuse_port;
pub mod wait;
pub mod words;
