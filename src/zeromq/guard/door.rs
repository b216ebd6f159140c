//! How connections to peers are made: they are let in, or there is one that is made again and again.

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream, UnixListener, UnixStream};

use crate::socket_file::{self, SocketFile};

/// A connection to a peer.
pub(super) type Connection = Box<dyn Stream>;

pub(super) trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<S: AsyncRead + AsyncWrite + Send + Unpin> Stream for S {}

/// An end of an endpoint.
pub(in crate::zeromq) enum Door {
    BindTcp(TcpListener),
    BindIpc(UnixListener, #[expect(dead_code, reason = "removed when dropped")] SocketFile),
    ConnectTcp(SocketAddr),
    ConnectIpc(PathBuf),
}

/// Why there is no connection.
pub(super) enum NoConnection {
    /// Nobody is there yet.
    Nobody,
    /// A process of another user.
    OtherUser,
    /// The system has nothing to give.
    Failed(io::Error),
}

impl Door {
    /// Whether peers are let in, any number of them.
    pub(super) fn is_bound(&self) -> bool {
        matches!(self, Door::BindTcp(_) | Door::BindIpc(..))
    }

    /// The next who comes; or whoever is there now.
    pub(super) async fn connection(&self) -> Result<Connection, NoConnection> {
        match self {
            Door::BindTcp(listener) => {
                let (stream, _) = listener.accept().await.map_err(NoConnection::Failed)?;
                Ok(at_once(stream))
            }
            Door::BindIpc(listener, _) => {
                let (stream, _) = listener.accept().await.map_err(NoConnection::Failed)?;
                let user = stream.peer_cred().map_err(NoConnection::Failed)?.uid();
                let is_heard = socket_file::is_own_or_root(user);
                if is_heard { Ok(Box::new(stream)) } else { Err(NoConnection::OtherUser) }
            }
            Door::ConnectTcp(address) => {
                let stream = TcpStream::connect(address).await;
                stream.map(at_once).map_err(|_| NoConnection::Nobody)
            }
            Door::ConnectIpc(path) => match UnixStream::connect(path).await {
                Ok(stream) => Ok(Box::new(stream)),
                Err(_) => Err(NoConnection::Nobody),
            },
        }
    }
}

/// Without waiting for more to send.
fn at_once(stream: TcpStream) -> Connection {
    let _later_too = stream.set_nodelay(true);
    Box::new(stream)
}
