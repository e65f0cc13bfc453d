//! The configuration file: TOML, every setting optional. `lapwing.example.toml` shows each with its default.

use flow::Duration;
use flow::features::host::Hosts;
use meter::Vlans;
use model::evaluation::Rule;
use serde::Deserialize;
use source::format::mapping::Mapping;
use source::format::vpc::FlowLog;

use crate::{Error, anomaly, delivery};

/// What a site has set.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct Config {
    /// This sensor, as others see it.
    pub sensor: Sensor,
    /// When flows end and how much memory they take.
    pub meter: Meter,
    /// The voice that learns the network's own traffic.
    pub anomaly: Anomaly,
    /// AWS VPC flow logs.
    pub vpc: Vpc,
    /// Which columns of tables hold what a flow needs; by default some tables are known by their columns.
    pub mapping: Option<Mapping>,
    /// Where alerts go beside the terminal.
    pub sink: Vec<delivery::Settings>,
}

/// This sensor, as others see it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct Sensor {
    /// Its name in what is sent to other systems; empty for the name of the host.
    pub name: String,
}

/// When flows end and how much memory they take.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct Meter {
    /// A flow without a packet for so long ends. 120, as most exporters have it.
    pub idle_seconds: u32,
    /// A flow older than this is cut, so that long conversations are reported while they last. 1800.
    pub active_seconds: u32,
    /// A closed TCP conversation is kept so long for its last repeated segments. 5.
    pub linger_seconds: u32,
    /// Memory for open flows, in MiB. 768: with the hosts a gibibyte.
    pub flows_mebibytes: u32,
    /// Memory for what each host did lately, in MiB. 256.
    pub hosts_mebibytes: u32,
    /// Whether the same addresses in another VLAN are other hosts: `together` or `apart`. Together, because a mirror of a
    /// router shows a conversation in two VLANs.
    pub vlans: VlanRule,
}

/// What a VLAN is to a conversation.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum VlanRule {
    /// A remark.
    #[default]
    Together,
    /// A network of its own.
    Apart,
}

/// The voice that learns the network's own traffic.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct Anomaly {
    /// The share of the flows learned from that may count as unusual. 0.001: one in a thousand is odd enough to look at.
    pub contamination: f64,
    /// Alerts a day that somebody wants to read, those of behaviours among them. It needs a baseline of a week. Default none.
    pub alerts_a_day: Option<f64>,
    /// The most hosts that it speaks of where there is no budget. 10: more odd hosts than that are no oddity.
    pub most_hosts: usize,
    /// Where all random numbers come from. 1.
    pub seed: u64,
}

/// AWS VPC flow logs.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct Vpc {
    /// The fields of logs without a header line, as the flow log's format names them: `${version} ${srcaddr} ...`. Empty
    /// for AWS' default format.
    pub fields: String,
}

impl Config {
    /// The configuration of a TOML text.
    pub fn from_toml(text: &str) -> Result<Config, Error> {
        let config: Config = toml::from_str(text).map_err(|error| Error::Config(error.to_string()))?;
        let refuse = |reason: &str| Err(Error::Config(reason.to_owned()));
        if !(0.0..=1.0).contains(&config.anomaly.contamination) {
            return refuse("anomaly.contamination is a share between 0 and 1");
        }
        if config.anomaly.alerts_a_day.is_some_and(|alerts| !(alerts > 0.0 && alerts.is_finite())) {
            return refuse("anomaly.alerts-a-day is a number above 0");
        }
        if config.meter.idle_seconds == 0 || config.meter.active_seconds == 0 || config.meter.flows_mebibytes == 0 {
            return refuse("the times of [meter] and flows-mebibytes are above 0");
        }
        config.vpc()?;
        for (place, sink) in config.sink.iter().enumerate() {
            sink.check()?;
            if config.sink[..place].iter().any(|other| other.name == sink.name) {
                return refuse(&format!("two sinks are called `{}`", sink.name));
            }
        }
        Ok(config)
    }

    /// How inputs are read.
    pub fn reading(&self) -> Result<source::Settings, Error> {
        Ok(source::Settings { meter: self.meter(), format: None, mapping: self.mapping.clone(), vpc: self.vpc()? })
    }

    /// When flows end, and the memory for open ones.
    pub fn meter(&self) -> meter::Settings {
        let Meter { idle_seconds, active_seconds, linger_seconds, flows_mebibytes, vlans, .. } = self.meter;
        let seconds = |seconds: u32| Duration::from_secs(seconds.into());
        meter::Settings {
            idle: seconds(idle_seconds),
            active: seconds(active_seconds),
            linger: seconds(linger_seconds),
            bytes: (flows_mebibytes as usize) << 20,
            vlans: match vlans {
                VlanRule::Together => Vlans::Together,
                VlanRule::Apart => Vlans::Apart,
            },
            ..meter::Settings::default()
        }
    }

    /// The anomaly voice's settings.
    pub fn anomaly(&self) -> anomaly::Settings {
        let Anomaly { contamination, alerts_a_day, most_hosts, seed } = self.anomaly;
        let hosts_bytes = self.hosts_bytes();
        let threshold = Rule::Contamination(contamination);
        anomaly::Settings { threshold, alerts_a_day, most_hosts, seed, hosts_bytes }
    }

    /// Memory for what each host did lately.
    pub fn hosts_bytes(&self) -> usize {
        (self.meter.hosts_mebibytes as usize) << 20
    }

    fn vpc(&self) -> Result<Option<FlowLog>, Error> {
        let fields = self.vpc.fields.trim();
        let refuse = |reason| Error::Config(format!("vpc.fields: {reason}"));
        (!fields.is_empty()).then(|| FlowLog::with_fields(fields).map_err(refuse)).transpose()
    }
}

impl Default for Meter {
    fn default() -> Meter {
        let meter::Settings { idle, active, linger, bytes, .. } = meter::Settings::default();
        Meter {
            idle_seconds: idle.as_secs() as u32,
            active_seconds: active.as_secs() as u32,
            linger_seconds: linger.as_secs() as u32,
            flows_mebibytes: (bytes >> 20) as u32,
            hosts_mebibytes: (Hosts::BUDGET_BYTES >> 20) as u32,
            vlans: VlanRule::default(),
        }
    }
}

impl Default for Anomaly {
    fn default() -> Anomaly {
        let anomaly::Settings { alerts_a_day, most_hosts, seed, .. } = anomaly::Settings::default();
        Anomaly { contamination: 0.001, alerts_a_day, most_hosts, seed }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const EXAMPLE: &str = include_str!("../../../lapwing.example.toml");

    #[test]
    fn the_example_shows_the_defaults() {
        assert_eq!(Config::from_toml(EXAMPLE).unwrap(), Config::default());
    }

    #[test]
    fn the_example_shows_every_setting() {
        // What is not set by default stands there behind a `#`.
        let shown: String =
            EXAMPLE.lines().map(|line| line.strip_prefix("#? ").unwrap_or(line).to_owned() + "\n").collect();
        let config = Config::from_toml(&shown).unwrap();
        assert_eq!(config.anomaly.alerts_a_day, Some(20.0));
        assert!(config.mapping.as_ref().is_some_and(|mapping| mapping.start.is_some() && mapping.benign.is_some()));
        let sink = config.sink.clone();
        assert_eq!(sink.len(), 6, "one of each kind");
        let text = format!("{:?}", Config { mapping: Some(Mapping::default()), sink, ..Config::default() });
        let names = text.split([' ', '{', '(']).filter_map(|word| word.strip_suffix(':'));
        for name in names.map(|name| name.replace('_', "-")) {
            assert!(shown.contains(&name), "{name} is not shown");
        }
    }

    #[test]
    fn an_unknown_setting_is_refused_with_its_line() {
        let error = Config::from_toml("[meter]\nidel-seconds = 3\n").unwrap_err().to_string();
        assert!(error.contains("line 2") && error.contains("idle-seconds"), "{error}");
    }

    #[test]
    fn sinks_that_cannot_be_are_refused_with_the_reason() {
        let refused = [
            ("kind = 'file'", "path of the file"),
            ("kind = 'file'\naddress = 'a'\nca-file = 'b'", "ca-file"),
            ("kind = 'syslog-tls'\naddress = 'siem'", "host:port"),
            ("kind = 'syslog-udp'\naddress = '2001:db8::1:514'", "host:port"),
            ("kind = 'syslog-tls'\naddress = 'siem:6514'\nkey-file = 'b'", "belong together"),
            ("kind = 'webhook'\naddress = 'ftp://a'", "URL"),
            ("kind = 'webhook'\naddress = 'https://a'\nsecret-file = 'b'\nsecret-environment = 'C'", "not in both"),
            ("kind = 'stdout'\nformat = 'chat'", "chat"),
            ("kind = 'stdout'\nformat = 'xml'", "one of json, text"),
            ("kind = 'pigeon'", "syslog-tls"),
            ("kind = 'stdout'\n[[sink]]\nname = 'a'\nkind = 'stdout'", "two sinks are called `a`"),
        ];
        for (settings, reason) in refused {
            let error = Config::from_toml(&format!("[[sink]]\nname = 'a'\n{settings}\n")).unwrap_err().to_string();
            assert!(error.contains(reason), "{settings}: {error}");
        }
    }

    #[test]
    fn fields_that_are_none_are_refused() {
        assert!(Config::from_toml("[vpc]\nfields = \"${version} ${nonsense}\"\n").is_err());
    }
}
