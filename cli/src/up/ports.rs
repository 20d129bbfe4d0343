//! Which ports the local gateway adds to, so that it stays clear of the ALB's.

use std::net::{IpAddr, TcpListener};

/// How far the gateway's ports lie above the ALB's.
const APART: u16 = 10_000;

/// How far the next try lies above the one before.
const STEP: u16 = 500;

/// What the gateway adds to each of its `ports`: [`APART`] more than the ALB does, or as much more
/// as it takes until all of them are free. Nothing if there is no such offset.
pub(super) fn gateway_offset(bind: IpAddr, alb_offset: u16, ports: &[u16]) -> Option<u16> {
    let highest = ports.iter().copied().max().unwrap_or(0);
    let above = candidates(alb_offset.saturating_add(APART), highest);
    let below = candidates(STEP, highest).filter(|offset| *offset != alb_offset);
    let mut all = above.chain(below);
    all.find(|offset| ports.iter().all(|port| is_free(bind, port + offset)))
}

/// Offsets from `first` on that leave `highest` a port number.
fn candidates(first: u16, highest: u16) -> impl Iterator<Item = u16> {
    let most = u16::MAX - highest;
    let mut next = Some(first);
    std::iter::from_fn(move || {
        let offset = next.filter(|offset| *offset <= most)?;
        next = offset.checked_add(STEP);
        Some(offset)
    })
}

pub(super) fn is_free(bind: IpAddr, port: u16) -> bool {
    TcpListener::bind((bind, port)).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::Ipv4Addr;

    const HERE: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

    #[test]
    fn the_gateway_keeps_clear_of_the_alb_and_of_others() {
        let taken = TcpListener::bind((HERE, 0)).unwrap();
        let port = taken.local_addr().unwrap().port();
        // The first offset would put 1 on the taken port.
        let alb = port - 1 - APART;
        let offset = gateway_offset(HERE, alb, &[1]).unwrap();
        assert!(offset > alb + APART, "{offset}");
        assert!(is_free(HERE, 1 + offset));
    }

    #[test]
    fn a_high_offset_of_the_alb_makes_it_look_below() {
        let offset = gateway_offset(HERE, 60_000, &[80, 15_021]).unwrap();
        assert!(offset <= u16::MAX - 15_021, "{offset}");
        assert_ne!(offset, 60_000);
    }

    #[test]
    fn no_room_is_told() {
        assert_eq!(gateway_offset(HERE, 8000, &[u16::MAX]), None);
    }
}
