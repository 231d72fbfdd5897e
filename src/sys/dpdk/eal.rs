//! The environment abstraction layer: DPDK's start and end, and its log lines in ours.
//!
//! Holds no port and no buffer; those hold it.

use std::ffi::{CString, c_char, c_int};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tracing::{debug, error, info, warn};

use super::{DpdkError, reason};

/// A running EAL. Pools and ports share it; the last one to go ends it.
#[derive(Debug)]
pub struct Eal {
    /// Only [`Eal::start`] makes one.
    _started: (),
}

static STARTED: AtomicBool = AtomicBool::new(false);

impl Eal {
    /// Starts EAL with `arguments`, as DPDK's manual lists them, without the program's name.
    ///
    /// The calling thread keeps its CPU affinity. EAL's log lines go to ours, target `dpdk`.
    ///
    /// # Errors
    /// [`DpdkError::StartedBefore`], [`DpdkError::Argument`], [`DpdkError::Eal`].
    ///
    /// # Panics
    /// With more arguments than C can count.
    pub fn start(arguments: &[String]) -> Result<Arc<Self>, DpdkError> {
        let owned = std::iter::once("rialto")
            .chain(arguments.iter().map(String::as_str))
            .map(|text| CString::new(text).map_err(|_| DpdkError::Argument(text.to_owned())))
            .collect::<Result<Vec<_>, _>>()?;
        let failed =
            |result| DpdkError::Eal { arguments: arguments.to_vec(), reason: reason(result) };

        if STARTED.swap(true, Ordering::AcqRel) {
            return Err(DpdkError::StartedBefore);
        }
        // SAFETY: `log_line` is a function that lives for ever and accepts a call from any thread.
        let result = unsafe { dpdk_sys::rialto_log_open(Some(log_line)) };
        if result < 0 {
            return Err(failed(result));
        }

        let count = c_int::try_from(owned.len()).expect("fewer than two billion arguments");
        // EAL keeps pointers to its arguments, also behind its end: they are never freed. That is no
        // leak that grows, since EAL starts once.
        let mut pointers: Vec<*mut c_char> = owned.into_iter().map(CString::into_raw).collect();
        pointers.push(std::ptr::null_mut());
        // SAFETY: `pointers` holds `count` pointers to zero-terminated strings and a null, as for main().
        // getopt reorders the array, which is ours, and writes at most within the strings, which are
        // EAL's from `into_raw` on and live for ever. The swap above makes this the only call in the
        // process.
        let result = unsafe { dpdk_sys::rialto_eal_init(count, pointers.as_mut_ptr()) };
        if result < 0 {
            return Err(failed(result));
        }
        Ok(Arc::new(Self { _started: () }))
    }

    /// Gives the calling thread caches in every pool: it then takes a buffer without a shared ring.
    /// Buffers work without, only slower, so a refusal is logged and no more.
    pub fn register_thread(&self) {
        // SAFETY: EAL runs, since `self` exists; a thread may register at any time, also twice.
        let result = unsafe { dpdk_sys::rialto_thread_register() };
        if result < 0 {
            warn!(target: "dpdk", reason = reason(result), "thread without buffer caches");
        }
    }
}

impl Drop for Eal {
    fn drop(&mut self) {
        // SAFETY: EAL was started, since `self` exists, and is ended once, since only this drop does
        // it. Every pool, port and buffer holds an Arc of `self`, so none is left.
        let result = unsafe { dpdk_sys::rialto_eal_cleanup() };
        if result < 0 {
            warn!(target: "dpdk", reason = reason(result), "EAL did not end cleanly");
        }
    }
}

/// Where the shim sends each log message.
extern "C" fn log_line(level: u32, text: *const c_char, length: usize) {
    // SAFETY: the shim passes `length` bytes that stay valid and unchanged during this call.
    let bytes = unsafe { std::slice::from_raw_parts(text.cast::<u8>(), length) };
    let text = String::from_utf8_lossy(bytes);
    for line in text.lines().filter(|line| !line.trim().is_empty()) {
        match level {
            0..=4 => error!(target: "dpdk", "{line}"),
            5 => warn!(target: "dpdk", "{line}"),
            6 => info!(target: "dpdk", "{line}"),
            _ => debug!(target: "dpdk", "{line}"),
        }
    }
}
