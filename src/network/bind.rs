//! Binds the address of a listener, and says what to do if that fails.

use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};

use socket2::{Domain, Protocol, Socket, Type};
use tokio::net::TcpListener;

use crate::config::Endpoint;

/// Why a listener cannot be opened. The text says what to do about it.
#[derive(Debug, thiserror::Error)]
#[error("cannot listen on {endpoint}: {source}{}", hint(source, key))]
pub struct ListenError {
    /// The endpoint as it is written in the config.
    pub endpoint: String,
    /// The config key that names the endpoint.
    pub key: &'static str,
    /// What the system said.
    pub source: io::Error,
}

fn hint(error: &io::Error, key: &str) -> String {
    match error.kind() {
        io::ErrorKind::AddrInUse => format!(
            "; another process has this port (`ss -ltnp` names it): \
             stop it, or set another port in `{key}`"
        ),
        io::ErrorKind::AddrNotAvailable => {
            let advertised = if key == "listeners" {
                ", and name what clients connect to in `advertised.listeners`"
            } else {
                ""
            };
            format!(
                "; this machine has no such address: leave the host in `{key}` empty to listen \
                 on all{advertised}"
            )
        }
        io::ErrorKind::PermissionDenied => {
            format!("; ports below 1024 need a privilege: set a higher port in `{key}`")
        }
        _ => String::new(),
    }
}

/// Binds the endpoint that the config key `key` names, inside the runtime. Returns the socket, with the
/// address that it is bound to: the port is the real one also when 0 was asked for. `backlog` connections wait
/// until they are accepted; `receive_buffer` is the buffer of each in bytes, `None` for the system's own.
///
/// # Errors
/// The address cannot be bound; the text says what to do.
pub async fn bind(
    endpoint: &Endpoint,
    key: &'static str,
    backlog: u32,
    receive_buffer: Option<usize>,
) -> Result<(TcpListener, SocketAddr), ListenError> {
    let bound = bind_endpoint(endpoint, backlog, receive_buffer).await;
    let bound = bound.and_then(|socket| Ok((socket.local_addr()?, socket)));
    let (address, socket) = bound.map_err(|source| ListenError {
        endpoint: endpoint.to_string(),
        key,
        source,
    })?;
    Ok((socket, address))
}

async fn bind_endpoint(
    endpoint: &Endpoint,
    backlog: u32,
    receive_buffer: Option<usize>,
) -> io::Result<TcpListener> {
    use io::ErrorKind::{AddrNotAvailable, Unsupported};

    let bind = |address: SocketAddr| bind_address(address, backlog, receive_buffer);
    if endpoint.host.is_empty() {
        let bound = bind((Ipv6Addr::UNSPECIFIED, endpoint.port).into());
        let has_no_ipv6 = |error: &io::Error| {
            let unsupported = rustix::io::Errno::AFNOSUPPORT.raw_os_error();
            matches!(error.kind(), AddrNotAvailable | Unsupported)
                || error.raw_os_error() == Some(unsupported)
        };
        return match bound {
            Err(error) if has_no_ipv6(&error) => {
                bind((Ipv4Addr::UNSPECIFIED, endpoint.port).into())
            }
            bound => bound,
        };
    }
    let mut addresses = tokio::net::lookup_host((endpoint.host.as_str(), endpoint.port)).await?;
    let address = addresses.next().ok_or(AddrNotAvailable)?;
    bind(address)
}

fn bind_address(
    address: SocketAddr,
    backlog: u32,
    receive_buffer: Option<usize>,
) -> io::Result<TcpListener> {
    let socket = Socket::new(
        Domain::for_address(address),
        Type::STREAM,
        Some(Protocol::TCP),
    )?;
    if address.is_ipv6() && address.ip().is_unspecified() {
        // One socket for IPv6 and IPv4.
        socket.set_only_v6(false)?;
    }
    // A port whose old connections are still dying down is free.
    socket.set_reuse_address(true)?;
    socket.set_nonblocking(true)?;
    // Connections inherit the size. Set on them it would come too late: the window scale is agreed on when
    // they open.
    if let Some(bytes) = receive_buffer {
        socket.set_recv_buffer_size(bytes)?;
    }
    socket.bind(&address.into())?;
    socket.listen(i32::try_from(backlog).unwrap_or(i32::MAX))?;
    TcpListener::from_std(socket.into())
}
