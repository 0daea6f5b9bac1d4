//! One profile, read and written, by whichever generation of the API answers.
//!
//! A 404 can mean that the profile is gone or that the API is: so the other generation is asked for the
//! same profile, and only where it has it, it is taken for the API from then on. Nothing is written by
//! a generation before it has shown the profile.

use reqwest::Method;

use super::client::Client;
use super::error::{Call, Error};
use super::generation::Generation;
use super::profile::{Profile, ProfileId};
use super::transport::Request;
use super::wire_v4::{Change, Key};
use super::{transport, wire_v4, wire_v5};

const WRITTEN: &str = "the profileId that was written";

impl Client {
    /// One profile.
    ///
    /// # Errors
    /// [`Error::NotFound`] when there is none, else why it could not be read.
    pub async fn profile(&self, id: ProfileId) -> Result<Profile, Error> {
        self.read(Call::Get, &Key::Id(id)).await
    }

    /// The profile of an address; `None` when there is none. The address stands in no log and no error.
    ///
    /// # Errors
    /// Why it could not be read. [`Error::Refused`] may mean that the address attribute is not unique.
    pub async fn profile_by_address(&self, address: &str) -> Result<Option<Profile>, Error> {
        match self.read(Call::Find, &Key::Address(address)).await {
            Err(Error::NotFound { .. }) => Ok(None),
            found => found.map(Some),
        }
    }

    /// Sets the REAID attribute of a profile; the empty text empties it. `Ok` is Actito's word that it
    /// is written.
    ///
    /// # Errors
    /// [`Error::NotFound`] when the profile is gone, else why the write is not confirmed.
    pub async fn put_reaid(&self, id: ProfileId, reaid: &str) -> Result<(), Error> {
        let first = self.profiles.first();
        match self.write(first, id, reaid).await {
            Err(missing @ Error::NotFound { .. }) => match self.elsewhere(first, Call::Get, &Key::Id(id)).await? {
                Some((second, _)) => self.write(second, id, reaid).await,
                None => Err(missing),
            },
            settled => settled,
        }
    }

    /// Asks for a profile that cannot exist.
    pub(super) async fn read_nobody(&self) -> Result<(), Error> {
        self.profile(ProfileId::NOBODY).await.map(drop)
    }

    /// Asks to change nothing of a profile that cannot exist.
    pub(super) async fn touch_nobody(&self) -> Result<(), Error> {
        let request = self.change(self.profiles.first(), ProfileId::NOBODY, &Change::none())?;
        self.call(&request).await.map(drop)
    }

    async fn read(&self, call: Call, key: &Key<'_>) -> Result<Profile, Error> {
        let first = self.profiles.first();
        match self.read_by(first, call, key).await {
            Err(missing @ Error::NotFound { .. }) => match self.elsewhere(first, call, key).await? {
                Some((_, profile)) => Ok(profile),
                None => Err(missing),
            },
            settled => settled,
        }
    }

    /// The profile by the generation that did not say 404; `None` when it does not have it either.
    async fn elsewhere(
        &self,
        first: Generation,
        call: Call,
        key: &Key<'_>,
    ) -> Result<Option<(Generation, Profile)>, Error> {
        let Some(second) = self.profiles.second(first) else { return Ok(None) };
        match self.read_by(second, call, key).await {
            Ok(profile) => Ok(Some((second, profile))),
            // Nobody knows then: better to ask again later than to take somebody for gone.
            Err(error) if error.is_transient() => Err(error),
            Err(_) => Ok(None),
        }
    }

    async fn read_by(&self, generation: Generation, call: Call, key: &Key<'_>) -> Result<Profile, Error> {
        let url = match generation {
            Generation::V4 => wire_v4::profile_url(&self.settings, key),
            Generation::V5 => wire_v5::read_url(&self.settings, key),
        };
        let body: wire_v4::ProfileBody = self.ask(&Request::get(call, url), "a profile").await?;
        let unreadable = Error::Unreadable { call, expected: "a profile with its profileId" };
        let profile = body.into_profile(&self.settings).ok_or(unreadable)?;
        self.profiles.answered(generation);
        Ok(profile)
    }

    async fn write(&self, generation: Generation, id: ProfileId, reaid: &str) -> Result<(), Error> {
        let request = self.change(generation, id, &Change::one(&self.settings.reaid_attribute, reaid))?;
        let body = self.call(&request).await?;
        let confirmed = match generation {
            Generation::V4 => transport::parse::<wire_v4::Written>(Call::Put, &body, WRITTEN)?.confirms(id),
            Generation::V5 => wire_v5::confirms(&body, &self.settings, id),
        };
        if !confirmed {
            return Err(Error::Unreadable { call: Call::Put, expected: WRITTEN });
        }
        self.profiles.answered(generation);
        Ok(())
    }

    fn change(&self, generation: Generation, id: ProfileId, change: &Change<'_>) -> Result<Request<'static>, Error> {
        let (method, url) = match generation {
            Generation::V4 => (Method::PUT, wire_v4::profile_url(&self.settings, &Key::Id(id))),
            Generation::V5 => {
                (wire_v5::write_method(&self.settings), wire_v5::profile_url(&self.settings, &Key::Id(id)))
            }
        };
        Request::json(Call::Put, method, url, change)
    }
}
