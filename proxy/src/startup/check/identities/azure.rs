//! Microsoft Entra: an application with its proof, or the machine's identity, as the settings say or else the variables
//! that Azure's own SDKs read.

use std::path::PathBuf;
use std::sync::Arc;

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use sha2::{Digest, Sha256};

use super::Reading;
use crate::dispatch::identity::assertion;
use crate::startup::files;
use crate::startup::problem::Mark;
use crate::startup::shape::Field;
use crate::state::identity::{Azure, AzureClient, AzureProof, AzureSource};
use crate::state::secret::Secret;

const SCOPE: &str = "https://cognitiveservices.azure.com/.default";
const AUTHORITY: &str = "https://login.microsoftonline.com";
const METADATA: &str = "http://169.254.169.254";

impl Reading<'_, '_> {
    pub(super) fn azure(&mut self, file: &files::Azure, mark: Mark) -> Option<Azure> {
        let scope = self.url_as_written(&file.scope);
        let source = match file.managed_identity.value {
            Some(true) => {
                self.only_client_id(file);
                self.machine(file)
            }
            _ => self.client_or_machine(file, mark),
        };
        Some(Azure {
            source: source?,
            scope: scope.unwrap_or_else(|| SCOPE.into()),
        })
    }

    fn url_as_written(&mut self, field: &Field<String>) -> Option<Arc<str>> {
        let scope = self.text(field)?;
        if !scope.contains("://") {
            self.problem(field.mark, "not a scope", format!("such as {SCOPE}"));
        }
        Some(scope)
    }

    fn only_client_id(&mut self, file: &files::Azure) {
        let others = [
            &file.tenant,
            &file.client_secret,
            &file.client_certificate,
            &file.federated_token_file,
        ];
        if let Some(other) = others.iter().find(|field| !field.is_absent()) {
            let message = "an application's setting beside managed_identity";
            self.problem(
                other.mark,
                message,
                "remove it, or managed_identity; only client_id goes with it",
            );
        }
    }

    fn machine(&mut self, file: &files::Azure) -> Option<AzureSource> {
        let client_id = self.text_or_variable(&file.client_id, "AZURE_CLIENT_ID");
        let app = self
            .variable("IDENTITY_ENDPOINT")
            .zip(self.variable("IDENTITY_HEADER"));
        if let Some((url, header)) = app {
            return Some(AzureSource::App {
                url: url.into(),
                header: Secret::new(header),
                client_id,
            });
        }
        let host = self
            .variable("AZURE_POD_IDENTITY_AUTHORITY_HOST")
            .unwrap_or_else(|| METADATA.to_owned());
        let url = format!("{}/metadata/identity/oauth2/token", host.trim_end_matches('/'));
        Some(AzureSource::Machine {
            url: url.into(),
            client_id,
        })
    }

    fn client_or_machine(&mut self, file: &files::Azure, mark: Mark) -> Option<AzureSource> {
        let tenant = self.text_or_variable(&file.tenant, "AZURE_TENANT_ID");
        let client_id = self.text_or_variable(&file.client_id, "AZURE_CLIENT_ID");
        let written = [
            &file.client_secret,
            &file.client_certificate,
            &file.federated_token_file,
        ];
        let written = written.iter().filter(|field| !field.is_absent()).count();
        if written > 1 {
            let remedy = "one of client_secret, client_certificate and federated_token_file";
            self.problem(mark, "several proofs of one application", remedy);
            return None;
        }
        let proof = match written {
            1 => Some(self.proof(file)?),
            _ => self.proof_of_variables(mark),
        };
        let is_application = written > 0 || !file.tenant.is_absent();
        match (tenant, client_id, proof) {
            (Some(tenant), Some(client_id), Some(proof)) => {
                let token_url = self.token_url(&file.authority, &tenant, mark)?;
                Some(AzureSource::Client(AzureClient {
                    tenant,
                    token_url,
                    client_id,
                    proof,
                }))
            }
            (tenant, client_id, proof) if is_application => {
                self.incomplete(file, mark, tenant.is_some(), client_id.is_some(), proof.is_some());
                None
            }
            _ => self.machine(file),
        }
    }

    /// Says what is missing, unless it is there and bad, which was said already.
    fn incomplete(&mut self, file: &files::Azure, mark: Mark, tenant: bool, client_id: bool, proof: bool) {
        let lacks = [
            (
                !tenant && file.tenant.is_absent(),
                "tenant",
                "the directory's id or name",
            ),
            (
                !client_id && file.client_id.is_absent(),
                "client_id",
                "the application's id",
            ),
            (
                !proof,
                "client_secret",
                "or client_certificate, or federated_token_file",
            ),
        ];
        for (_, name, remedy) in lacks.iter().filter(|(lacks, ..)| *lacks) {
            self.problem(mark, format!("an application without `{name}`"), *remedy);
        }
    }

    fn token_url(&mut self, field: &Field<String>, tenant: &str, mark: Mark) -> Option<Arc<str>> {
        let usual = self
            .variable("AZURE_AUTHORITY_HOST")
            .unwrap_or_else(|| AUTHORITY.to_owned());
        let authority = self.url(field, usual.trim_end_matches('/'))?;
        if !tenant
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b".-".contains(&b))
        {
            self.problem(
                mark,
                "not a tenant",
                "the directory's id, or one of its domain names",
            );
            return None;
        }
        Some(format!("{authority}/{tenant}/oauth2/v2.0/token").into())
    }

    fn proof(&mut self, file: &files::Azure) -> Option<AzureProof> {
        if !file.client_secret.is_absent() {
            return self.secret(&file.client_secret).map(AzureProof::Secret);
        }
        if !file.client_certificate.is_absent() {
            return self.certificate(&file.client_certificate);
        }
        let path = self.path(file.federated_token_file.value.as_deref()?);
        self.is_there(&path, file.federated_token_file.mark)
            .then_some(AzureProof::FederatedTokenFile(path))
    }

    fn proof_of_variables(&mut self, mark: Mark) -> Option<AzureProof> {
        if let Some(secret) = self.variable("AZURE_CLIENT_SECRET") {
            return Some(AzureProof::Secret(Secret::new(secret)));
        }
        let path = PathBuf::from(self.variable("AZURE_FEDERATED_TOKEN_FILE")?);
        self.is_there(&path, mark)
            .then_some(AzureProof::FederatedTokenFile(path))
    }

    fn certificate(&mut self, field: &Field<String>) -> Option<AzureProof> {
        let key = self.document(field)?;
        let certificate = CertificateDer::from_pem_slice(key.expose().as_bytes()).ok();
        match certificate.filter(|_| assertion::rsa_key(&key).is_some()) {
            Some(der) => Some(AzureProof::Certificate {
                key,
                sha256: Sha256::digest(&der).into(),
            }),
            None => {
                let remedy = "a PEM with both, the key as RSA";
                self.problem(field.mark, "no certificate with its key", remedy);
                None
            }
        }
    }
}
