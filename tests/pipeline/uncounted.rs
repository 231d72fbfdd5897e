//! A device in memory whose own allocations are the test's, not those of the stack above it.

use rialto::net::MemoryDevice;
use rialto::net::device::Device;
use rialto::net::ethernet::MacAddress;
use rialto::sys::alloc_count::uncounted;

/// One end of a wire.
#[derive(Debug)]
pub(crate) struct Uncounted {
    device: MemoryDevice,
    /// The frame that is being written.
    frame: Vec<u8>,
}

impl Uncounted {
    pub(crate) fn new(device: MemoryDevice) -> Self {
        Self { device, frame: vec![0; 2_048] }
    }
}

impl Device for Uncounted {
    type Burst = <MemoryDevice as Device>::Burst;

    fn receive(&mut self) -> Option<Self::Burst> {
        uncounted(|| self.device.receive())
    }

    fn room(&mut self) -> usize {
        self.device.room()
    }

    fn transmit<R>(&mut self, length: usize, write: impl FnOnce(&mut [u8]) -> R) -> Option<R> {
        if self.device.room() == 0 {
            return None;
        }
        let Self { device, frame } = self;
        let frame = &mut frame[..length];
        let result = write(frame);
        uncounted(|| device.transmit(length, |sent| sent.copy_from_slice(frame)))?;
        Some(result)
    }

    fn flush(&mut self) -> usize {
        uncounted(|| self.device.flush())
    }

    fn mac(&self) -> MacAddress {
        self.device.mac()
    }

    fn mtu(&self) -> usize {
        self.device.mtu()
    }
}
