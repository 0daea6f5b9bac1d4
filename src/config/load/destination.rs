//! Where targets go, from `destination` as written.

use toml::Spanned;
use url::Host;

use super::super::activation::AudienceDestination;
use super::super::file_server::{
    Authority, CertificatePin, FileProtocol, FileServer, Fingerprint, Ftps, OneOrMore, SYSTEM, Sftp, SftpLogin,
    WrittenDestination,
};
use super::super::{ConfigError, Place};
use super::Loader;

/// Where targets go unless something is written.
const FOLDER: &str = "targets";

/// The ports that the protocols have.
const SFTP_PORT: u16 = 22;
const FTPS_PORT: u16 = 21;

const EXPECTED: &str = "expected { directory = \"…\" }, { sftp = \"host:port\", … } or { ftps = \"host:port\", … }";

impl Loader<'_> {
    pub(super) fn destination(
        &self,
        written: Option<Spanned<WrittenDestination>>,
    ) -> Result<AudienceDestination, ConfigError> {
        let Some(written) = written else { return Ok(AudienceDestination::Folder(self.path(FOLDER.as_ref()))) };
        let place = self.source.place(written.span());
        let written = written.into_inner();
        self.nothing_foreign(&written)?;
        match (&written.sftp, &written.ftps, &written.directory) {
            (None, None, Some(directory)) => Ok(AudienceDestination::Folder(self.path(directory.get_ref().as_ref()))),
            (Some(at), None, _) => {
                let (at, protocol) = ((at, SFTP_PORT), FileProtocol::Sftp(self.sftp(&written, &place)?));
                Ok(AudienceDestination::Server(Box::new(self.server(at, protocol, &written, &place)?)))
            }
            (None, Some(at), _) => {
                let (at, protocol) = ((at, FTPS_PORT), FileProtocol::Ftps(self.ftps(&written, &place)?));
                Ok(AudienceDestination::Server(Box::new(self.server(at, protocol, &written, &place)?)))
            }
            _ => Err(place.complain(EXPECTED)),
        }
    }

    /// What belongs to another kind of destination was meant for something.
    fn nothing_foreign(&self, written: &WrittenDestination) -> Result<(), ConfigError> {
        let (sftp, ftps) = (written.sftp.is_some(), written.ftps.is_some());
        let span = |it: &Option<Spanned<_>>| it.as_ref().map(Spanned::span);
        let of_sftp = [
            written.private_key.as_ref().map(Spanned::span),
            written.passphrase.as_ref().map(Spanned::span),
            span(&written.host_key),
        ];
        let of_ftps = [span(&written.certificate), written.certificate_authority.as_ref().map(Spanned::span)];
        let of_both = [written.user.as_ref().map(Spanned::span), written.password.as_ref().map(Spanned::span)];
        let complain = |span: Option<std::ops::Range<usize>>, beside: &str| {
            span.map_or(Ok(()), |span| Err(self.source.place(span).complain(format!("expected {beside} beside it"))))
        };
        for span in of_sftp.into_iter().filter(|_| !sftp) {
            complain(span, "sftp = \"host:port\"")?;
        }
        for span in of_ftps.into_iter().filter(|_| !ftps) {
            complain(span, "ftps = \"host:port\"")?;
        }
        for span in of_both.into_iter().filter(|_| !sftp && !ftps) {
            complain(span, "sftp or ftps")?;
        }
        Ok(())
    }

    fn server(
        &self,
        (at, usual): (&Spanned<String>, u16),
        protocol: FileProtocol,
        written: &WrittenDestination,
        place: &Place,
    ) -> Result<FileServer, ConfigError> {
        let wrong = || {
            let message = format!("expected a host as in \"files.shop.example:{usual}\", found `{}`", at.get_ref());
            self.source.place(at.span()).complain(message)
        };
        let (host, port) = match at.get_ref().rsplit_once(':') {
            Some((host, port)) if !port.ends_with(']') => (host, port.parse().map_err(|_| wrong())?),
            _ => (at.get_ref().as_str(), usual),
        };
        let host = Host::parse(host).map_err(|_| wrong())?;
        let user = written.user.as_ref().ok_or_else(|| place.complain("expected user beside it"))?;
        let directory = written.directory.as_ref();
        for text in [Some(user), directory].into_iter().flatten() {
            if text.get_ref().chars().any(char::is_control) {
                return Err(self.source.place(text.span()).complain("expected no control characters"));
            }
        }
        if user.get_ref().is_empty() {
            return Err(self.source.place(user.span()).complain("expected a name, found nothing"));
        }
        let directory = directory.map_or("", |it| it.get_ref().as_str());
        let trimmed = directory.trim_end_matches('/');
        let directory = if trimmed.is_empty() && !directory.is_empty() { "/" } else { trimmed };
        Ok(FileServer { host, port, user: user.get_ref().clone(), directory: directory.to_owned(), protocol })
    }

    fn sftp(&self, written: &WrittenDestination, place: &Place) -> Result<Sftp, ConfigError> {
        let Some(host_key) = &written.host_key else {
            return Err(place.complain("expected host_key = \"SHA256:…\" beside it, as ssh-keygen -lf prints it"));
        };
        let expected = "expected a fingerprint as in \"SHA256:n4bQgYhMfWWaL+qgxVrQFaO/TxsrC4Is0V1sFbDwCgg\"";
        let host_keys = self.fingerprints(host_key, Fingerprint::of_host_key, expected)?;
        let passphrase = written.passphrase.clone().map(|it| self.secret(it));
        let login = match (written.private_key.clone(), written.password.clone()) {
            (Some(key), None) => SftpLogin::Key(self.secret(key), passphrase),
            (None, Some(password)) if passphrase.is_none() => SftpLogin::Password(self.secret(password)),
            _ => return Err(place.complain("expected either private_key (and its passphrase) or password beside it")),
        };
        Ok(Sftp { host_keys, login })
    }

    fn ftps(&self, written: &WrittenDestination, place: &Place) -> Result<Ftps, ConfigError> {
        let password = written.password.clone().ok_or_else(|| place.complain("expected password beside it"))?;
        let expected = "expected the SHA-256 of a certificate in hex, as openssl x509 -fingerprint -sha256 prints it, \
                        or of its public key as in \"sha256//n4bQgYhMfWWaL+qgxVrQFaO/TxsrC4Is0V1sFbDwCgg=\"";
        let certificates = match &written.certificate {
            None => Vec::new(),
            Some(written) => self.fingerprints(written, CertificatePin::read, expected)?,
        };
        let authority = written.certificate_authority.as_ref().map(|it| match it.get_ref().as_str() {
            SYSTEM => Authority::System,
            path => Authority::File(self.path(path.as_ref())),
        });
        // Whoever has a name for it gets a certificate of some authority: that this is enough, somebody must say.
        if certificates.is_empty() && authority.is_none() {
            return Err(place.complain(
                "expected certificate = \"…\", its fingerprint, or certificate_authority beside it: a file, or \"system\" \
                 where any authority that this machine trusts is enough",
            ));
        }
        Ok(Ftps { password: self.secret(password), certificates, authority })
    }

    fn fingerprints<T>(
        &self,
        written: &Spanned<OneOrMore>,
        read: fn(&str) -> Option<T>,
        expected: &str,
    ) -> Result<Vec<T>, ConfigError> {
        let place = self.source.place(written.span());
        let all = written.get_ref().as_slice();
        let read = |text: &String| read(text).ok_or_else(|| place.complain(format!("{expected}, found `{text}`")));
        if all.is_empty() { Err(place.complain(expected)) } else { all.iter().map(read).collect() }
    }
}
