//! The Host of a request, which over HTTP/1.1 it must have (RFC 9112, section 3.2).

use http::uri::Authority;
use http::{HeaderMap, Version, header};

use crate::web::marks::WrongHost;

/// The error in the Host header of an HTTP/1 request, if any (RFC 9112, section 3.2). HTTP/2 has the authority instead.
pub(super) fn wrong_host(version: Version, headers: &HeaderMap) -> Option<WrongHost> {
    if version >= Version::HTTP_2 {
        return None;
    }
    let mut hosts = headers.get_all(header::HOST).iter();
    let Some(host) = hosts.next() else {
        let missing = WrongHost("The request has no Host header, which HTTP/1.1 requires.");
        return (version == Version::HTTP_11).then_some(missing);
    };
    if hosts.next().is_some() {
        return Some(WrongHost("The request has more than one Host header."));
    }
    let is_host = host
        .to_str()
        .is_ok_and(|host| host.is_empty() || is_authority(host));
    (!is_host).then_some(WrongHost(
        "The Host header is not a valid host with an optional port.",
    ))
}

/// A host, alone or with a port.
fn is_authority(text: &str) -> bool {
    let Ok(authority) = text.parse::<Authority>() else {
        return false;
    };
    let after = text.strip_prefix(authority.host()).unwrap_or("@");
    let port = after.strip_prefix(':');
    let is_port = |port: &str| {
        let digits = port.bytes().all(|b| b.is_ascii_digit());
        port.is_empty() || (digits && port.parse::<u16>().is_ok())
    };
    after.is_empty() || port.is_some_and(is_port)
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    #[test]
    fn over_http_1_1_there_is_one_host_that_is_one() {
        let wrong = |version, hosts: &[&'static str]| {
            let mut headers = HeaderMap::new();
            for host in hosts {
                headers.append(header::HOST, HeaderValue::from_static(host));
            }
            wrong_host(version, &headers).is_some()
        };
        for host in [
            "pay.example",
            "pay.example:8080",
            "127.0.0.1:1",
            "[::1]:8080",
            "",
            "a:",
        ] {
            assert!(!wrong(Version::HTTP_11, &[host]), "{host}");
        }
        for host in [
            "a b", "a/b", "user@a", "http://a", "a:b", "a:99999", "a:+80", "a,b c", "[::1", "a?b",
        ] {
            assert!(wrong(Version::HTTP_11, &[host]), "{host}");
        }
        assert!(wrong(Version::HTTP_11, &[]) && wrong(Version::HTTP_11, &["a", "a"]));
        assert!(!wrong(Version::HTTP_10, &[]) && wrong(Version::HTTP_10, &["a", "b"]));
        assert!(!wrong(Version::HTTP_2, &[]));
    }
}
