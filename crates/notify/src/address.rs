//! Which addresses a webhook may go to.
//!
//! Whoever may set a webhook could otherwise let this machine speak to what only it can reach: its own services, the
//! neighbours in its network, the metadata of a cloud. The name is resolved once, and the connection goes to what was
//! looked at.

use crate::NotifyError;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

fn private_v4(a: Ipv4Addr) -> bool {
    let [one, two, ..] = a.octets();
    a.is_private()
        || a.is_loopback()
        || a.is_link_local()
        || a.is_unspecified()
        || a.is_multicast()
        || a.is_broadcast()
        || one == 0
        || one >= 240
        // Carrier-grade NAT (RFC 6598), benchmarks (RFC 2544), protocol assignments (RFC 6890).
        || one == 100 && (64..128).contains(&two)
        || one == 198 && (18..20).contains(&two)
        || a.octets()[..3] == [192, 0, 0]
}

fn private_v6(a: Ipv6Addr) -> bool {
    let s = a.segments();
    // IPv4 inside IPv6: mapped, compatible, NAT64 (RFC 6052), 6to4 (RFC 3056).
    let inner = |high: u16, low: u16| private_v4(Ipv4Addr::from((u32::from(high) << 16) | u32::from(low)));
    a.is_loopback()
        || a.is_unspecified()
        || a.is_multicast()
        || a.is_unique_local()
        || a.is_unicast_link_local()
        // Site-local, deprecated but routed by some (RFC 3879).
        || s[0] & 0xffc0 == 0xfec0
        || s[..5] == [0; 5] && inner(s[6], s[7])
        || s[..6] == [0x64, 0xff9b, 0, 0, 0, 0] && inner(s[6], s[7])
        || s[0] == 0x2002 && inner(s[1], s[2])
}

/// Whether an address is reached from here but not from everywhere.
pub(crate) fn is_private(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(a) => private_v4(a),
        IpAddr::V6(a) => private_v6(a),
    }
}

/// The addresses of a host.
pub(crate) async fn resolve(host: &str, port: u16) -> Result<Vec<SocketAddr>, NotifyError> {
    let unknown = |e: &dyn std::fmt::Display| {
        NotifyError::Address(format!(
            "the host {host} cannot be found ({e}); check its name, and that this machine has a resolver"
        ))
    };
    let found = tokio::time::timeout(crate::LIMIT, tokio::net::lookup_host((host, port))).await;
    let list: Vec<SocketAddr> = found.map_err(|e| unknown(&e))?.map_err(|e| unknown(&e))?.collect();
    if list.is_empty() { Err(unknown(&"it has no address")) } else { Ok(list) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_private() {
        for (text, private) in [
            ("127.0.0.1", true),
            ("10.1.2.3", true),
            ("172.16.0.1", true),
            ("192.168.1.1", true),
            ("169.254.169.254", true),
            ("100.64.0.1", true),
            ("0.0.0.0", true),
            ("198.18.0.1", true),
            ("255.255.255.255", true),
            ("::1", true),
            ("::", true),
            ("fe80::1", true),
            ("fd00::1", true),
            ("::ffff:127.0.0.1", true),
            ("::ffff:169.254.169.254", true),
            ("64:ff9b::a00:1", true),
            ("2002:7f00:1::", true),
            ("ff02::1", true),
            ("1.1.1.1", false),
            ("172.32.0.1", false),
            ("100.128.0.1", false),
            ("2606:4700::1111", false),
            ("::ffff:1.1.1.1", false),
        ] {
            assert_eq!(is_private(text.parse().expect(text)), private, "{text}");
        }
    }
}
