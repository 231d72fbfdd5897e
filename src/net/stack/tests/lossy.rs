//! A wire that loses frames. It decides nothing: its maker says which.

use crate::net::device::Device;
use crate::net::ethernet::MacAddress;
use crate::types::Nanos;

/// A device that loses some of the frames sent over it.
#[derive(Debug)]
pub(super) struct Lossy<D, F> {
    device: D,
    loses: F,
}

impl<D: Device, F: FnMut(&[u8]) -> bool + Send> Lossy<D, F> {
    /// Loses the frames for which `loses` says so.
    pub(super) fn new(device: D, loses: F) -> Self {
        Self { device, loses }
    }
}

impl<D: Device, F: FnMut(&[u8]) -> bool + Send> Device for Lossy<D, F> {
    type Burst = D::Burst;

    fn receive(&mut self) -> Option<D::Burst> {
        self.device.receive()
    }

    fn room(&mut self) -> usize {
        self.device.room()
    }

    fn transmit<R>(&mut self, length: usize, write: impl FnOnce(&mut [u8]) -> R) -> Option<R> {
        if self.device.room() == 0 {
            return None;
        }
        let mut frame = vec![0; length];
        let result = write(&mut frame);
        if !(self.loses)(&frame) {
            self.device.transmit(length, |sent| sent.copy_from_slice(&frame))?;
        }
        Some(result)
    }

    fn flush(&mut self) -> usize {
        self.device.flush()
    }

    fn publish(&mut self, now: Nanos) {
        self.device.publish(now);
    }

    fn mac(&self) -> MacAddress {
        self.device.mac()
    }

    fn mtu(&self) -> usize {
        self.device.mtu()
    }
}
