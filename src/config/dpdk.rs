//! The DPDK port: which device, and what EAL is told of it. Starts nothing.
//!
//! Virtual devices are tested; a PCI device's settings are proven and its arguments tested, but no
//! physical NIC has carried an order of ours yet.

/// The DPDK port. Of no effect with [`Backend::Kernel`](super::Backend::Kernel).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dpdk {
    /// Arguments of the environment abstraction layer, without the program's name and the device.
    pub eal_args: Vec<String>,
    /// A virtual device (`net_af_packet0,iface=rialto0`) or a PCI address (`0000:03:00.0`), each with
    /// the driver's own arguments behind a comma.
    pub device: String,
    /// Pairs of a receive and a transmit queue: one for each shard of order entry.
    pub queues: u16,
    /// Packet buffers, shared by receiving and sending.
    pub mbufs: u32,
    /// Descriptors of each receive ring.
    pub rx_descriptors: u16,
    /// Descriptors of each transmit ring.
    pub tx_descriptors: u16,
}

impl Dpdk {
    /// All arguments of EAL: those configured, and the one that names the device.
    #[must_use]
    pub fn eal_arguments(&self) -> Vec<String> {
        let flag = if is_virtual(&self.device) { "--vdev=" } else { "--allow=" };
        let mut arguments = self.eal_args.clone();
        arguments.push(format!("{flag}{}", self.device));
        arguments
    }

    /// The driver, as far as the device's name tells: `net_af_packet` of `net_af_packet0,iface=x`; the
    /// address of a PCI device.
    #[must_use]
    pub fn driver(&self) -> &str {
        let name = self.device.split(',').next().unwrap_or_default();
        if is_virtual(name) { name.trim_end_matches(|c: char| c.is_ascii_digit()) } else { name }
    }
}

/// Arguments for a device of which the file says nothing else. A virtual one: no huge pages, no files
/// of its own, no PCI scan, which is what an ordinary user may do anywhere. A physical one: huge pages
/// without a mount, and only this device is touched.
pub(super) fn default_eal_args(device: &str) -> Vec<String> {
    let args: &[&str] = if is_virtual(device) {
        &["--no-pci", "--no-telemetry", "--no-huge", "-m", "128", "--no-shconf"]
    } else {
        &["--no-telemetry", "--in-memory", "-m", "128"]
    };
    args.iter().map(|&arg| arg.to_owned()).collect()
}

/// The device with its address in full; `None` if it is neither virtual nor a PCI address.
pub(super) fn whole_device(device: &str) -> Option<String> {
    if device.contains(char::is_whitespace) {
        return None;
    }
    if is_virtual(device) {
        return Some(device.to_owned());
    }
    let (address, arguments) = device.split_at(device.find(',').unwrap_or(device.len()));
    let parts: Vec<_> = address.split([':', '.']).collect();
    let (domain, rest) = match parts.len() {
        4 => (parts[0], &parts[1..]),
        3 => ("0000", &parts[..]),
        _ => return None,
    };
    let hex = |part: &str, digits: usize| {
        part.len() == digits && part.bytes().all(|digit| digit.is_ascii_hexdigit())
    };
    let sound = hex(domain, 4) && hex(rest[0], 2) && hex(rest[1], 2) && hex(rest[2], 1);
    let whole = format!("{domain}:{}:{}.{}", rest[0], rest[1], rest[2]).to_ascii_lowercase();
    // The separators too: as many digits with others between them are no address.
    (sound && whole.ends_with(&address.to_ascii_lowercase())).then(|| whole + arguments)
}

/// A device that is told of as many pairs of queues, where its driver must be and its argument does not
/// say so yet.
pub(super) fn with_queues(device: String, queues: u8) -> String {
    let argument = match device.split(char::is_numeric).next() {
        Some("net_af_packet") => "qpairs",
        Some("net_af_xdp") => "queue_count",
        _ => return device,
    };
    let is_said = device.split(',').any(|said| said.starts_with(argument));
    if queues == 1 || is_said { device } else { format!("{device},{argument}={queues}") }
}

/// The rule that `eal_args` break together or with this device.
pub(super) fn conflict(device: &str, eal_args: &[String]) -> Option<&'static str> {
    let has = |wanted: &str| eal_args.iter().any(|arg| arg == wanted);
    if has("--no-huge") && has("--in-memory") {
        return Some(
            "\"--no-huge\" and \"--in-memory\" exclude each other: without huge pages, or in them",
        );
    }
    let blind = !is_virtual(device) && has("--no-pci");
    blind.then_some("\"--no-pci\" hides the PCI device that dpdk.device names: leave it out")
}

fn is_virtual(device: &str) -> bool {
    device.starts_with("net_")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dpdk(device: &str) -> Dpdk {
        let device = whole_device(device).unwrap();
        let eal_args = default_eal_args(&device);
        let (rx_descriptors, tx_descriptors) = (1_024, 1_024);
        Dpdk { eal_args, device, queues: 1, mbufs: 8_191, rx_descriptors, tx_descriptors }
    }

    #[test]
    fn a_driver_that_makes_its_queues_is_told_how_many() {
        for (device, queues, told) in [
            ("net_af_packet0,iface=x", 1, "net_af_packet0,iface=x"),
            ("net_af_packet0,iface=x", 2, "net_af_packet0,iface=x,qpairs=2"),
            ("net_af_packet0,qpairs=4,iface=x", 2, "net_af_packet0,qpairs=4,iface=x"),
            ("net_af_xdp0,iface=x", 3, "net_af_xdp0,iface=x,queue_count=3"),
            ("0000:03:00.0", 4, "0000:03:00.0"),
        ] {
            assert_eq!(with_queues(device.to_owned(), queues), told);
        }
    }

    #[test]
    fn a_virtual_device_needs_no_privileges_and_a_pci_device_is_the_only_one_touched() {
        let port = dpdk("net_memif0,role=server");
        assert_eq!(port.driver(), "net_memif");
        assert_eq!(
            port.eal_arguments().join(" "),
            "--no-pci --no-telemetry --no-huge -m 128 --no-shconf --vdev=net_memif0,role=server"
        );
        let port = dpdk("03:00.1,rx_vec_en=1");
        assert_eq!(port.driver(), "0000:03:00.1");
        assert_eq!(
            port.eal_arguments().join(" "),
            "--no-telemetry --in-memory -m 128 --allow=0000:03:00.1,rx_vec_en=1"
        );
    }

    #[test]
    fn an_address_is_told_from_what_looks_like_one() {
        let whole = |device| whole_device(device);
        assert_eq!(whole("0000:3A:00.0").unwrap(), "0000:3a:00.0");
        assert_eq!(whole("3a:00.0").unwrap(), "0000:3a:00.0");
        for wrong in ["", "eth0", "0000:03:00", "03.00:0", "0000:03:00.0 ", "g3:00.0", "3:0.0"] {
            assert_eq!(whole(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn arguments_that_exclude_each_other_are_found() {
        let args = |text: &str| text.split(' ').map(str::to_owned).collect::<Vec<_>>();
        assert!(conflict("net_ring0", &args("--no-huge --in-memory")).is_some());
        assert!(conflict("0000:03:00.0", &args("--no-pci --in-memory")).is_some());
        assert!(conflict("net_ring0", &args("--no-pci --in-memory")).is_none());
        assert!(conflict("0000:03:00.0", &default_eal_args("0000:03:00.0")).is_none());
    }
}
