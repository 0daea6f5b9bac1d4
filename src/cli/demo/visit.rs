//! What recipients do: open the newsletter, and click every link of ours in it, through Actito's
//! wrapper as in real life.

use std::time::Duration;

use futures_util::{StreamExt as _, stream};
use reqwest::header::{LOCATION, USER_AGENT};

use super::stage::{Recipient, Stage};
use crate::links::{CLICK_PATH, PIXEL_PATH, parameters, split_query};
use crate::outbound::{self, Options};
use crate::rewrite::{entities, html};

/// Recipients who click at the same time.
const AT_ONCE: usize = 8;

/// Faults shown; the first tell the story.
const FAULTS: usize = 10;

const BROWSER: &str = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0";

/// What came of it.
#[derive(Default)]
pub(super) struct Visits {
    /// Links of ours in one newsletter.
    pub(super) links_of_ours: u64,
    /// Clicks tried.
    pub(super) clicks: u64,
    /// Clicks that ended on the shop's page with the recipient's own REAID.
    pub(super) landed: u64,
    /// Pixels that were answered with an image.
    pub(super) opened: u64,
    /// What went wrong, the first few.
    pub(super) faults: Vec<String>,
}

impl Visits {
    /// How many events must reach Raptor.
    pub(super) fn events(&self) -> u64 {
        self.clicks + self.opened
    }

    fn add(&mut self, other: Self) {
        self.links_of_ours = self.links_of_ours.max(other.links_of_ours);
        self.clicks += other.clicks;
        self.landed += other.landed;
        self.opened += other.opened;
        self.faults.extend(other.faults);
        self.faults.truncate(FAULTS);
    }

    fn fault(&mut self, recipient: &Recipient, what: &anyhow::Error) {
        self.faults.push(format!("profile {}: {what:#}", recipient.profile_id));
    }
}

/// Lets every recipient open the newsletter and click all of it.
pub(super) async fn all(stage: &Stage, recipients: &[Recipient]) -> anyhow::Result<Visits> {
    let options = Options { connect: Duration::from_secs(5), total: Duration::from_secs(10), allow_private: false };
    let client = outbound::client(&stage.sandbox_url().parse()?, options)?;
    let visits = stream::iter(recipients).map(|recipient| visit(stage, &client, recipient)).buffer_unordered(AT_ONCE);
    Ok(visits
        .fold(Visits::default(), |mut all, one| async {
            all.add(one);
            all
        })
        .await)
}

async fn visit(stage: &Stage, client: &reqwest::Client, recipient: &Recipient) -> Visits {
    let mut visits = Visits::default();
    let newsletter = match receive(stage, client, recipient).await {
        Ok(newsletter) => newsletter,
        Err(error) => {
            visits.fault(recipient, &error);
            return visits;
        }
    };
    for pixel in &newsletter.pixels {
        match open(client, pixel).await {
            Ok(()) => visits.opened += 1,
            Err(error) => visits.fault(recipient, &error),
        }
    }
    visits.links_of_ours = newsletter.links.len() as u64;
    for link in &newsletter.links {
        visits.clicks += 1;
        match click(stage, client, link, recipient).await {
            Ok(()) => visits.landed += 1,
            Err(error) => visits.fault(recipient, &error),
        }
    }
    visits
}

/// The URLs of ours in one recipient's newsletter.
struct Newsletter {
    links: Vec<String>,
    pixels: Vec<String>,
}

async fn receive(stage: &Stage, client: &reqwest::Client, recipient: &Recipient) -> anyhow::Result<Newsletter> {
    let body = client.get(stage.newsletter_url(recipient.profile_id)).send().await?.error_for_status()?.bytes().await?;
    let found = html::find(&body)?;
    let of_ours = |values: Vec<html::AttributeValue>, path: &str| -> Vec<String> {
        let start = format!("{}{path}", stage.edge_url());
        let values = values.into_iter().map(|value| String::from_utf8_lossy(&body[value.range]).into_owned());
        values.map(|value| entities::decode(&value).into_owned()).filter(|url| url.starts_with(&start)).collect()
    };
    let links = found.links.into_iter().map(|link| link.href).collect();
    Ok(Newsletter { links: of_ours(links, CLICK_PATH), pixels: of_ours(found.images, PIXEL_PATH) })
}

async fn open(client: &reqwest::Client, pixel: &str) -> anyhow::Result<()> {
    let answer = client.get(pixel).header(USER_AGENT, BROWSER).send().await?;
    anyhow::ensure!(answer.status() == 200, "a pixel was answered with {}", answer.status());
    Ok(())
}

/// Actito's wrapper, then our edge, then the shop's page.
async fn click(stage: &Stage, client: &reqwest::Client, link: &str, recipient: &Recipient) -> anyhow::Result<()> {
    let mut wrapped: url::Url = format!("{}/wrap", stage.sandbox_url()).parse()?;
    wrapped.query_pairs_mut().append_pair("to", link);
    let ours = redirect(client, wrapped.as_str(), "Actito's wrapper").await?;
    let page = redirect(client, &ours, "the edge").await?;
    let (_, query, _) = split_query(page.as_bytes());
    let found: Vec<_> = parameters(query.unwrap_or_default()).filter(|it| it.name == b"reaid").collect();
    let carries_own = matches!(found.as_slice(), [one] if one.value == recipient.reaid.as_bytes());
    anyhow::ensure!(carries_own, "a click led to the shop without the recipient's REAID");
    let landed = client.get(&page).header(USER_AGENT, BROWSER).send().await?;
    anyhow::ensure!(landed.status() == 200, "the shop answered {}", landed.status());
    Ok(())
}

async fn redirect(client: &reqwest::Client, url: &str, who: &str) -> anyhow::Result<String> {
    let answer = client.get(url).header(USER_AGENT, BROWSER).send().await?;
    anyhow::ensure!(answer.status() == 302, "{who} answered {} where a redirect was expected", answer.status());
    let location = answer.headers().get(LOCATION).and_then(|location| location.to_str().ok());
    Ok(location.ok_or_else(|| anyhow::anyhow!("{who} redirected without a Location"))?.to_owned())
}
