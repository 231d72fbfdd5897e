//! A pool of packet buffers.
//!
//! Made once, before trading; nothing grows it.

use std::ffi::CString;
use std::ptr::NonNull;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use dpdk_sys::rialto_pool;

use super::{DpdkError, Eal, reason};

/// A pool of buffers for whole Ethernet frames. Lives until its last buffer is back.
#[derive(Debug)]
pub struct Mempool {
    pool: NonNull<rialto_pool>,
    _eal: Arc<Eal>,
}

// SAFETY: the pool is made with DPDK's default operations (multi-producer, multi-consumer ring) and
// caches per registered thread, so any thread may take and give back buffers at any time, also several
// at once. `pool` itself never changes.
unsafe impl Send for Mempool {}
// SAFETY: as above; `&Mempool` allows nothing but those thread-safe operations.
unsafe impl Sync for Mempool {}

impl Mempool {
    /// The longest frame that every driver of DPDK can be given to receive into.
    pub const FRAME_BYTES: u16 = 2048;

    /// Makes a pool of `count` buffers; one less than a power of two wastes no memory.
    ///
    /// # Errors
    /// [`DpdkError::Pool`].
    pub fn new(eal: &Arc<Eal>, count: u32) -> Result<Arc<Self>, DpdkError> {
        let name = pool_name();
        let mut error = 0;
        // SAFETY: EAL runs, since `eal` exists. The name is zero-terminated and is copied; `error` is
        // a live integer.
        let pool = unsafe {
            dpdk_sys::rialto_pool_create(name.as_ptr(), count, Self::FRAME_BYTES, &raw mut error)
        };
        match NonNull::new(pool) {
            Some(pool) => Ok(Arc::new(Self { pool, _eal: Arc::clone(eal) })),
            None => Err(DpdkError::Pool { count, reason: reason(error) }),
        }
    }

    /// Buffers that are free.
    #[must_use]
    pub fn available(&self) -> u32 {
        // SAFETY: the pool lives as long as `self`, and counting is allowed at any time.
        unsafe { dpdk_sys::rialto_pool_available(self.pool.as_ptr()) }
    }

    pub(super) fn as_ptr(&self) -> *mut rialto_pool {
        self.pool.as_ptr()
    }
}

/// A name no other pool of the process has.
fn pool_name() -> CString {
    static POOLS: AtomicU32 = AtomicU32::new(0);
    let number = POOLS.fetch_add(1, Ordering::Relaxed);
    CString::new(format!("rialto_{number}")).expect("letters and digits hold no zero byte")
}

impl Drop for Mempool {
    fn drop(&mut self) {
        // SAFETY: freed once, here. Every `Burst` and every `Port` holds an Arc of `self`, so no buffer
        // is out and no port receives into the pool.
        unsafe { dpdk_sys::rialto_pool_free(self.pool.as_ptr()) };
    }
}
