//! One order, from the account to a certificate in use.

use std::sync::Arc;

use instant_acme::{
    Account, AuthorizationStatus, ChallengeType, Identifier, NewAccount, NewOrder, Order, OrderStatus, RetryPolicy,
};
use rcgen::{CertificateParams, DistinguishedName, KeyPair};

use super::challenges::Offered;
use super::{Acme, AcmeError};
use crate::tls::Certificate;

/// How often each step of an order is tried before the order counts as failed.
const ATTEMPTS: u32 = 3;

/// A step of an order, taken once more when what went wrong says nothing about the next attempt. (As a function it
/// would take closures, whose futures are not known to be `Send`.)
macro_rules! patiently {
    ($step:expr) => {{
        let mut left = ATTEMPTS;
        loop {
            left -= 1;
            match $step.await.map_err(AcmeError::from) {
                Err(error) if left > 0 && error.is_passing() => tracing::debug!(%error, "a step of an order is taken again"),
                taken => break taken,
            }
        }
    }};
}

impl Acme {
    /// Orders a certificate for `host`; when this returns it is kept and in use.
    pub(super) async fn order(&self, host: &str) -> Result<Arc<Certificate>, AcmeError> {
        let mut order = patiently!(self.prepared(host))?;
        let key = KeyPair::generate()?;
        let mut request = CertificateParams::new([host.to_owned()])?;
        request.distinguished_name = DistinguishedName::new();
        let request = request.serialize_request(&key)?;
        // From here on the authority makes a certificate, of which it makes only so many: nothing is begun anew.
        patiently!(order.finalize_csr(request.der()))?;
        let chain = patiently!(order.poll_certificate(&RetryPolicy::default()))?;
        let key = key.serialize_pem();
        let certificate = Arc::new(Certificate::from_pem(chain.as_bytes(), key.as_bytes())?);
        if !certificate.names(host) {
            return Err(AcmeError::OtherName);
        }
        self.folder.keep_certificate(host, &chain, &key)?;
        self.certificates.put_ordered(host, &certificate);
        Ok(certificate)
    }

    /// An order whose proofs were taken.
    async fn prepared(&self, host: &str) -> Result<Order, AcmeError> {
        let account = self.account().await?;
        let identifiers = [Identifier::Dns(host.to_owned())];
        let mut order = account.new_order(&NewOrder::new(&identifiers)).await?;
        let proofs = self.prove(&mut order).await?;
        let status = order.poll_ready(&RetryPolicy::default()).await?;
        drop(proofs);
        if status != OrderStatus::Ready {
            return Err(AcmeError::Refused(why(&mut order).await));
        }
        Ok(order)
    }

    /// The kept account, or a new one, kept before it is used.
    async fn account(&self) -> Result<Account, AcmeError> {
        let builder = || Account::builder_with_http(Box::new(self.call.clone()));
        if let Some(kept) = self.folder.account() {
            return Ok(builder().from_credentials(kept).await?);
        }
        let contact: Vec<&str> = self.config.contact.iter().map(String::as_str).collect();
        let new = NewAccount { contact: &contact, terms_of_service_agreed: true, only_return_existing: false };
        let (account, credentials) = builder().create(&new, self.config.directory.to_string(), None).await?;
        self.folder.keep_account(&credentials)?;
        Ok(account)
    }

    /// Offers every proof that the authority still wants, and says so.
    async fn prove(&self, order: &mut Order) -> Result<Vec<Offered>, AcmeError> {
        let mut offered = Vec::new();
        let mut authorizations = order.authorizations();
        while let Some(authorization) = authorizations.next().await {
            let mut authorization = authorization?;
            if authorization.status == AuthorizationStatus::Valid {
                continue;
            }
            let mut challenge = authorization.challenge(ChallengeType::Http01).ok_or(AcmeError::NoHttp01)?;
            let proof = challenge.key_authorization();
            offered.push(self.challenges.offer(&challenge.token, proof.as_str()));
            challenge.set_ready().await?;
        }
        Ok(offered)
    }
}

/// What the authority says about the proofs that it did not take.
async fn why(order: &mut Order) -> String {
    let mut says = Vec::new();
    let mut authorizations = order.authorizations();
    while let Some(Ok(authorization)) = authorizations.next().await {
        let problems = authorization.challenges.iter().filter_map(|challenge| challenge.error.as_ref());
        says.extend(problems.map(ToString::to_string));
    }
    says.join("; ")
}
