//! Which rights the API key has, as far as that can be seen without changing anything.

use super::client::Client;
use super::error::Error;

/// A right that the API key needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Right {
    /// To exchange the key for a token at all.
    Token,
    /// To read the structure of the profile table.
    Structure,
    /// To list the profiles.
    List,
    /// To read one profile.
    ReadProfiles,
    /// To write one profile.
    WriteProfiles,
    /// To import.
    Import,
    /// To see and change webhooks.
    Webhooks,
}

impl Right {
    /// All of them, in the order in which they are asked about.
    pub const ALL: [Self; 7] = [
        Self::Token,
        Self::Structure,
        Self::List,
        Self::ReadProfiles,
        Self::WriteProfiles,
        Self::Import,
        Self::Webhooks,
    ];

    /// What it lets us do, as in "may …".
    pub const fn purpose(self) -> &'static str {
        match self {
            Self::Token => "use the API",
            Self::Structure => "read the structure of the profile table",
            Self::List => "list profiles",
            Self::ReadProfiles => "read profiles",
            Self::WriteProfiles => "write profiles",
            Self::Import => "run mass imports",
            Self::Webhooks => "manage webhooks",
        }
    }
}

impl Client {
    /// Asks about each right that a sync needs, in the order of [`Right::ALL`], and changes nothing: a
    /// write changes no attribute of a profile that cannot exist. `Ok` means that nothing speaks against
    /// it. A key that gets no token is not asked about the rest.
    pub async fn rights(&self) -> Vec<(Right, Result<(), Error>)> {
        let mut found = Vec::new();
        for right in Right::ALL {
            let has = self.has(right).await;
            let stop = right == Right::Token && has.is_err();
            found.push((right, has));
            if stop {
                break;
            }
        }
        found
    }

    async fn has(&self, right: Right) -> Result<(), Error> {
        match right {
            Right::Token => self.bearer(None).await.map(drop),
            Right::Structure => match self.check_structure().await {
                // Read, and for another finding to complain about.
                Ok(_) | Err(Error::Attribute { .. }) => Ok(()),
                Err(error) => Err(error),
            },
            Right::List => self.list_page_of(0, 1).await.map(drop),
            Right::ReadProfiles => {
                let listed = self.list_page_of(0, 1).await.ok().and_then(|page| page.profiles.into_iter().next());
                match listed.map(|profile| profile.id) {
                    Some(id) => self.profile(id).await.map(drop),
                    None => no_such(self.read_nobody().await),
                }
            }
            Right::WriteProfiles => no_such(self.touch_nobody().await),
            Right::Import => no_such(self.ask_about_no_import().await),
            Right::Webhooks => self.webhooks().await.map(drop),
        }
    }
}

/// Who is told that there is no such thing, or that nothing is no change, may ask.
fn no_such(answer: Result<(), Error>) -> Result<(), Error> {
    match answer {
        Err(Error::NotFound { .. } | Error::Refused { .. }) => Ok(()),
        settled => settled,
    }
}
