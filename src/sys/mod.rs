//! What needs `unsafe`: foreign functions and system calls, each behind a safe type.
//!
//! Every block carries its proof. Nothing here knows of orders, sessions or logs.
#![allow(unsafe_code)]

#[cfg(feature = "dpdk")]
pub mod dpdk;
pub mod epoll;
