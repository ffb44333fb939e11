//! What an operator says about the capabilities that need more than a yes: the size of a cache, the hosts that may be
//! called and what goes with them. Whether a component needs them is found when it is loaded, by `chain`.

use std::sync::Arc;
use std::time::Duration;

use http::{HeaderName, HeaderValue, header};
use penstock_plugin_host::{
    CacheTerms, Capabilities, Capability, CapabilityTerms, HostPattern, HttpLimits, HttpRule, HttpTerms,
};

use crate::startup::certificates;
use crate::startup::check::{Checker, MAX_BYTES};
use crate::startup::files;
use crate::startup::problem::Mark;
use crate::startup::shape::{Entries, Field};

/// A list that is read for every call of a plugin.
const MOST_HOSTS: usize = 256;

/// Waiting longer than this, a caller has gone.
const LONGEST_WAIT_MS: u64 = 10 * 60 * 1000;

/// Headers whose values are keys: they are not written into the file.
const SECRET_HEADERS: [HeaderName; 3] = [header::AUTHORIZATION, header::COOKIE, header::PROXY_AUTHORIZATION];

/// Headers that frame a message, or that the host decides.
const NOT_SETTABLE: [HeaderName; 7] = [
    header::CONNECTION,
    header::CONTENT_LENGTH,
    header::HOST,
    header::TE,
    header::TRAILER,
    header::TRANSFER_ENCODING,
    header::UPGRADE,
];

impl Checker<'_> {
    pub(super) fn capability_terms(&mut self, file: &files::Plugin, grants: Capabilities) -> CapabilityTerms {
        for (capability, mark) in [
            (Capability::Cache, file.cache.mark),
            (Capability::Http, file.http.mark),
        ] {
            if mark.line > 0 && !grants.contains(capability) {
                let name = capability.as_str();
                let all = grants.and([capability].into());
                self.findings.problem(
                    mark,
                    format!("`{name}` is set up but not granted"),
                    format!("write `capabilities: [{all}]`"),
                );
            }
        }
        CapabilityTerms {
            cache: self.cache_terms(file.cache.value.as_ref()),
            http: self.http_terms(file.http.value.as_ref()),
        }
    }

    fn cache_terms(&mut self, file: Option<&files::PluginCache>) -> CacheTerms {
        let default = CacheTerms::default();
        let Some(file) = file else { return default };
        let usual = usize::try_from(default.bytes).unwrap_or(usize::MAX);
        CacheTerms {
            bytes: self.size(&file.bytes, usual, CacheTerms::LEAST_BYTES, MAX_BYTES) as u64,
            everyone: file.everyone.value.unwrap_or(default.everyone),
        }
    }

    fn http_terms(&mut self, file: Option<&files::PluginHttp>) -> HttpTerms {
        let Some(file) = file else {
            return HttpTerms::default();
        };
        let default = HttpLimits::default();
        let usual_wait = u64::try_from(default.wait.as_millis()).unwrap_or(LONGEST_WAIT_MS);
        let limits = HttpLimits {
            wait: Duration::from_millis(self.number(&file.wait_ms, usual_wait, 1, LONGEST_WAIT_MS)),
            calls: u32::try_from(self.number(&file.calls, default.calls.into(), 1, 1000))
                .unwrap_or(default.calls),
            request_bytes: self.size(&file.request_bytes, default.request_bytes, 1, 1 << 30),
            response_bytes: self.size(&file.response_bytes, default.response_bytes, 1, 1 << 30),
            at_once: self.count(&file.at_once, default.at_once, 1, 256),
        };
        let hosts = file.hosts.value.as_deref().unwrap_or_default();
        if hosts.len() > MOST_HOSTS {
            let message = format!("{} hosts, more than {MOST_HOSTS}", hosts.len());
            self.findings.problem(
                file.hosts.mark,
                message,
                "a wildcard stands for many: https://*.host",
            );
        }
        let rules = hosts
            .iter()
            .take(MOST_HOSTS)
            .filter_map(|host| self.http_rule(host));
        HttpTerms {
            rules: rules.map(Arc::new).collect(),
            limits,
        }
    }

    fn http_rule(&mut self, field: &Field<files::PluginHost>) -> Option<HttpRule> {
        match field.value.as_ref()? {
            files::PluginHost::Plain(text) => self.rule_of(text, field.mark, &[]),
            files::PluginHost::Full(file) => {
                let remedy = "such as https://policy.example.org";
                let text = self.required(&file.host, field.mark, "`host`", remedy)?;
                let reach = self.networks(&file.reach);
                let rule = self.rule_of(text, file.host.mark, &reach);
                let headers = self.host_headers(&file.headers);
                let ca_pem = self.authorities(&file.ca);
                Some(HttpRule {
                    headers,
                    reach,
                    ca_pem,
                    ..rule?
                })
            }
        }
    }

    pub(super) fn rule_of(
        &mut self,
        text: &str,
        mark: Mark,
        reach: &[penstock_plugin_host::AddressBlock],
    ) -> Option<HttpRule> {
        let rule = HttpRule::parse(text);
        let rule = rule
            .map_err(|(message, remedy)| self.findings.problem(mark, message, remedy))
            .ok()?;
        if reach.is_empty() && matches!(&rule.host, HostPattern::Name(name) if **name == *"localhost") {
            let remedy = "write the address, such as http://127.0.0.1:8080, or add `reach: [\"127.0.0.0/8\", \"::1\"]`";
            self.findings.problem(
                mark,
                "`localhost` leads to this machine, where names may not lead",
                remedy,
            );
        }
        Some(rule)
    }

    fn host_headers(&mut self, field: &Field<Entries<String>>) -> Vec<(HeaderName, HeaderValue)> {
        let entries = field.value.iter().flat_map(|entries| &entries.0);
        entries
            .filter_map(|(name, value)| self.host_header(name, value))
            .collect()
    }

    /// A value is text, a reference to a secret, or a word and a reference (`Bearer env:TOKEN`).
    fn host_header(
        &mut self,
        name: &Field<String>,
        value: &Field<String>,
    ) -> Option<(HeaderName, HeaderValue)> {
        let Ok(header) = HeaderName::try_from(name.value.as_deref()?) else {
            self.findings.problem(name.mark, "not the name of a header", "");
            return None;
        };
        if NOT_SETTABLE.contains(&header) {
            self.findings.problem(
                name.mark,
                format!("header `{header}` cannot be set here"),
                "the gateway writes it",
            );
            return None;
        }
        let written = value.value.as_deref()?;
        let (scheme, reference) = written.split_once(' ').unwrap_or(("", written));
        let refers = reference.starts_with("env:") || reference.starts_with("file:");
        let is_keys = SECRET_HEADERS.contains(&header)
            || ["key", "token"].iter().any(|end| header.as_str().ends_with(end));
        let is_secret = refers || is_keys;
        let read = match is_secret {
            true => self.secret(reference).map(|secret| match scheme {
                "" => secret.expose().to_owned(),
                scheme => format!("{scheme} {}", secret.expose()),
            }),
            false => Ok(written.to_owned()),
        };
        let text = read
            .map_err(|wrong| self.findings.problem(value.mark, wrong.message, wrong.remedy))
            .ok()?;
        let Ok(mut content) = HeaderValue::try_from(text) else {
            let message = "a header's value cannot hold line ends or control characters";
            self.findings.problem(value.mark, message, "");
            return None;
        };
        content.set_sensitive(is_secret);
        Some((header, content))
    }

    /// A PEM file with authorities, looked into once.
    pub(super) fn authorities(&mut self, field: &Field<String>) -> Option<Arc<[u8]>> {
        let pem = self.file(field)?;
        certificates::authorities(&pem)
            .map_err(|message| self.findings.problem(field.mark, message, ""))
            .ok()?;
        Some(pem.into())
    }
}
