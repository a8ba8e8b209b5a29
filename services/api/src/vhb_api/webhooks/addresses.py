"""Which addresses may be connected to: people name receivers, and what is private should not be reached that way."""

import ipaddress

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network
_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")


def is_public(address: Address) -> bool:
    """Whether an address, and the one that it carries inside, is one of the internet at large."""
    inner = _inside(address)
    if inner is not None:
        return is_public(inner)
    if address.is_multicast or address.is_reserved or not address.is_global:
        return False
    return not (isinstance(address, ipaddress.IPv6Address) and address.is_site_local)


def is_allowed(address: Address, private: bool | tuple[Network, ...]) -> bool:
    """Whether it may be connected to.

    Args:
        address: it.
        private: addresses that are not public and are allowed: these networks, or (True) all but those that machines
            give themselves, where clouds keep their credentials.
    """
    if is_public(address):
        return True
    plain = _inside(address) or address
    if isinstance(private, bool):
        return private and not (plain.is_link_local or plain.is_multicast or plain.is_unspecified)
    return any(plain in network for network in private if network.version == plain.version)


def address_of(text: str) -> Address:
    """Reads an address as the resolver gives it, maybe with a zone.

    Raises:
        ValueError: it is none.
    """
    return ipaddress.ip_address(text.partition("%")[0])


def _inside(address: Address) -> Address | None:
    """The IPv4 address that an IPv6 address stands for."""
    if not isinstance(address, ipaddress.IPv6Address):
        return None
    if address.ipv4_mapped is not None:
        return address.ipv4_mapped
    if address.sixtofour is not None:
        return address.sixtofour
    if address.teredo is not None:
        return address.teredo[1]
    return ipaddress.IPv4Address(int(address) & 0xFFFFFFFF) if address in _NAT64 else None
