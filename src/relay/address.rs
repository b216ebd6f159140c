//! Where records are sent to, and received.

use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::str::FromStr;

/// Where a listener receives the records of a [`SocketHandler`](crate::handler::SocketHandler).
///
/// As text it is a path with a `/` in it, or an address and a port: `./app.sock`, `127.0.0.1:9021`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SocketAddress {
    /// A unix socket of this host.
    Path(PathBuf),
    /// TCP. Listeners receive at loopback addresses only.
    Tcp(SocketAddr),
}

/// The text is no such address.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no address: use a path such as ./app.sock, or 127.0.0.1:9021")]
pub struct ParseSocketAddressError(String);

impl FromStr for SocketAddress {
    type Err = ParseSocketAddressError;

    fn from_str(text: &str) -> Result<SocketAddress, ParseSocketAddressError> {
        match text.parse() {
            Ok(address) => Ok(SocketAddress::Tcp(address)),
            Err(_) if text.contains('/') => Ok(SocketAddress::Path(text.into())),
            Err(_) => Err(ParseSocketAddressError(text.chars().take(100).collect())),
        }
    }
}

impl fmt::Display for SocketAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            SocketAddress::Path(path) => path.display().fmt(f),
            SocketAddress::Tcp(address) => address.fmt(f),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_and_addresses_are_told_apart() {
        for text in ["/run/app.sock", "./app.sock", "a/b:9021", "127.0.0.1:9021", "[::1]:9021"] {
            let address: SocketAddress = text.parse().unwrap();
            let is_path = matches!(address, SocketAddress::Path(_));
            assert_eq!((is_path, address.to_string()), (text.contains('/'), text.to_owned()));
        }
        for text in ["", "app.sock", "localhost:9021", "127.0.0.1"] {
            assert!(text.parse::<SocketAddress>().unwrap_err().to_string().contains("use a path"));
        }
    }
}
