//! Rialto's C shim over DPDK: foreign functions and nothing else.
//!
//! The shim speaks integers and pointers, so no layout of a DPDK struct is known here. Safe types over
//! it are in `rialto::sys::dpdk`.
#![allow(non_camel_case_types, unsafe_code)]

include!(concat!(env!("OUT_DIR"), "/shim.rs"));
