//! Flags for the records that other listeners and programs of logboom send.

use std::ffi::OsString;
use std::net::SocketAddr;
use std::path::PathBuf;

use logboom::handler::SocketAddress;

use crate::options::parse_address;

/// Where records of a `SocketHandler` of logboom come in.
#[derive(clap::Args, Clone)]
pub(crate) struct SocketOptions {
    /// Receive what a SocketHandler of logboom sends to this unix socket, and acknowledge what is
    /// written; may be repeated
    #[arg(long, value_name = "PATH")]
    logboom_socket: Vec<PathBuf>,
    /// The same at this loopback address, where anybody on the machine can connect; may be repeated
    #[arg(long, value_name = "ADDRESS:PORT", value_parser = parse_address)]
    logboom_tcp: Vec<SocketAddr>,
}

impl SocketOptions {
    /// The addresses that are named.
    pub(crate) fn addresses(&self) -> impl Iterator<Item = SocketAddress> {
        let paths = self.logboom_socket.iter().cloned().map(SocketAddress::Path);
        paths.chain(self.logboom_tcp.iter().copied().map(SocketAddress::Tcp))
    }

    /// The flags with which a listener receives at the same addresses.
    pub(crate) fn flags(&self) -> impl Iterator<Item = OsString> {
        self.addresses().map(|address| match address {
            SocketAddress::Path(path) => {
                let mut flag = OsString::from("--logboom-socket=");
                flag.push(path);
                flag
            }
            SocketAddress::Tcp(address) => format!("--logboom-tcp={address}").into(),
        })
    }
}
