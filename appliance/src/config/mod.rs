//! What the user asked for, checked: flags over `PAGI_*` environment over a TOML file.
//!
//! **Invariants.** A [`Config`] listens on loopback only, unless the user said in as many words
//! that it may not. Each room's own `Config` holds what that room needs to know.
pub mod file;
pub mod options;

use std::net::SocketAddr;
use std::time::Duration;

use pagi_protocol::{ErrorCode, PagiError};

use crate::core::rate::Rate;
use crate::{broker, gateway, limits, proxy, router};
use options::{BrokerOptions, GatewayOptions, ProcessOptions, ProxyOptions};

/// Everything a server process is told.
#[derive(Debug, Clone)]
pub struct Config {
    /// The HTTP side; none for a broker alone.
    pub gateway: Option<GatewayPart>,
    /// The embedded broker; none where other brokers are used.
    pub broker: Option<BrokerPart>,
    /// Address of the admin listener.
    pub admin_listen: SocketAddr,
    /// How long accepted work may take to finish after a request to stop.
    pub drain_timeout: Duration,
    /// Whether to say on stdout where things are.
    pub announce: bool,
}

/// The HTTP side.
#[derive(Debug, Clone)]
pub struct GatewayPart {
    /// Address for HTTP clients.
    pub listen: SocketAddr,
    /// The gateway's own configuration.
    pub gateway: gateway::Config,
    /// That of the proxy.
    pub proxy: proxy::Config,
    /// That of the router; its brokers are replaced where there is an embedded one.
    pub router: router::Config,
}

/// The embedded broker.
#[derive(Debug, Clone)]
pub struct BrokerPart {
    /// Address for Kafka clients.
    pub listen: SocketAddr,
    /// The broker's own configuration.
    pub broker: broker::Config,
}

impl Config {
    /// The configuration of `pagi-appliance gateway`.
    ///
    /// # Errors
    /// [`ErrorCode::InvalidConfig`], naming the flag and what to do.
    pub fn for_gateway(
        process: &ProcessOptions,
        gateway: &GatewayOptions,
        proxy: &ProxyOptions,
        broker: &BrokerOptions,
    ) -> Result<Self, PagiError> {
        let anywhere = process.insecure_listen_anywhere;
        check_reach("--http-listen", gateway.http_listen, anywhere)?;
        let mut config = Self::new(process)?;
        if gateway.brokers.is_empty() {
            config.broker = Some(broker_part(broker, anywhere)?);
        }
        config.gateway = Some(GatewayPart {
            listen: gateway.http_listen,
            gateway: gateway_config(gateway)?,
            proxy: proxy_config(proxy)?,
            router: router_config(gateway)?,
        });
        Ok(config)
    }

    /// The configuration of `pagi-appliance broker`.
    ///
    /// # Errors
    /// [`ErrorCode::InvalidConfig`], naming the flag and what to do.
    pub fn for_broker(process: &ProcessOptions, broker: &BrokerOptions) -> Result<Self, PagiError> {
        let mut config = Self::new(process)?;
        config.broker = Some(broker_part(broker, process.insecure_listen_anywhere)?);
        Ok(config)
    }

    fn new(process: &ProcessOptions) -> Result<Self, PagiError> {
        check_reach("--admin-listen", process.admin_listen, process.insecure_listen_anywhere)?;
        Ok(Self {
            gateway: None,
            broker: None,
            admin_listen: process.admin_listen,
            drain_timeout: process.drain_timeout.0,
            announce: true,
        })
    }
}

fn broker_part(options: &BrokerOptions, anywhere: bool) -> Result<BrokerPart, PagiError> {
    check_reach("--kafka-listen", options.kafka_listen, anywhere)?;
    let broker = broker::Config {
        data_dir: options.data_dir.clone(),
        auto_create_topics: options.auto_create_topics,
        default_partitions: options.default_partitions,
        disk_budget_bytes: options.disk_budget.map(|budget| budget.0),
        retention_check_interval: options.retention_check_interval.0,
        advertised: options.advertised_address.clone(),
        ..broker::Config::default()
    };
    broker.validate().map_err(|error| invalid(error.to_string()))?;
    Ok(BrokerPart { listen: options.kafka_listen, broker })
}

fn gateway_config(options: &GatewayOptions) -> Result<gateway::Config, PagiError> {
    let (body, in_flight) = (options.publish_body_bytes_max, options.publish_in_flight_bytes_max);
    if in_flight.0 < body.0 {
        return Err(invalid(format!(
            "--publish-in-flight-bytes-max {in_flight} is less than --publish-body-bytes-max {body}"
        )));
    }
    if options.http_connections_max == 0 {
        return Err(invalid("--http-connections-max must be at least 1".to_owned()));
    }
    if options.publish_requests_max == 0 {
        return Err(invalid("--publish-requests-max must be at least 1".to_owned()));
    }
    Ok(gateway::Config {
        connections_max: options.http_connections_max,
        idle_timeout: options.http_idle_timeout.0,
        body_timeout: options.http_body_timeout.0,
        body_bytes_max: body.0,
        in_flight_bytes_max: in_flight.0,
        publish_requests_max: options.publish_requests_max,
        client_rate: options.client_rate.map(|per_second| Rate {
            per_second,
            burst: options.client_burst.unwrap_or(per_second),
        }),
        default_topic: options.default_topic.clone(),
        key_pointer: options.key_pointer.clone(),
        audit: options.audit,
    })
}

fn proxy_config(options: &ProxyOptions) -> Result<proxy::Config, PagiError> {
    let total = options.identity_total_timeout;
    for (flag, part) in [
        ("--identity-connect-timeout", options.identity_connect_timeout),
        ("--identity-first-byte-timeout", options.identity_first_byte_timeout),
    ] {
        if part.0 > total.0 {
            return Err(invalid(format!(
                "{flag} {part} is more than --identity-total-timeout {total}"
            )));
        }
    }
    if options.identity_url.len() > limits::UPSTREAMS_MAX {
        return Err(invalid(format!("--identity-url: at most {}", limits::UPSTREAMS_MAX)));
    }
    let health_path = options.identity_health_path.clone();
    if health_path.as_ref().is_some_and(|path| !is_path(path)) {
        return Err(invalid("--identity-health-path must be a path that begins with /".to_owned()));
    }
    Ok(proxy::Config {
        health_path,
        connect_timeout: options.identity_connect_timeout.0,
        first_byte_timeout: options.identity_first_byte_timeout.0,
        total_timeout: total.0,
        ..proxy::Config::new(options.identity_url.clone())
    })
}

fn router_config(options: &GatewayOptions) -> Result<router::Config, PagiError> {
    for broker in &options.brokers {
        check_host_port("--brokers", broker)?;
    }
    Ok(router::Config {
        brokers: options.brokers.clone(),
        client_id: "pagi-gateway".to_owned(),
        delivery_timeout: options.delivery_timeout.0,
        ..router::Config::default()
    })
}

fn is_path(text: &str) -> bool {
    text.starts_with('/') && text.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'#')
}

/// Nobody is asked for credentials, so nobody else may reach it by accident.
fn check_reach(flag: &str, address: SocketAddr, anywhere: bool) -> Result<(), PagiError> {
    if address.ip().is_loopback() || anywhere {
        return Ok(());
    }
    Err(invalid(format!(
        "{flag} {address} can be reached from other machines, and this version has no TLS and no \
         credentials: use 127.0.0.1, or add --insecure-listen-anywhere if the network is trusted"
    )))
}

fn check_host_port(flag: &str, text: &str) -> Result<(), PagiError> {
    let parts = text.rsplit_once(':');
    let well_formed = parts.is_some_and(|(host, port)| {
        !host.is_empty()
            && !host.contains(|c: char| c.is_whitespace() || c == '/')
            && port.parse::<u16>().is_ok_and(|port| port != 0)
    });
    if well_formed {
        return Ok(());
    }
    Err(invalid(format!("{flag}: {text:?} is not host:port")))
}

fn invalid(detail: String) -> PagiError {
    PagiError::new(ErrorCode::InvalidConfig, detail)
}
