//! The body of an import: `multipart/form-data` with a file and its parameters, the file going to disk.

use std::fs::File;
use std::time::Duration;

use http::header::CONTENT_TYPE;
use http::{Request, StatusCode};
use http_body_util::BodyDataStream;
use hyper::body::Incoming;
use multer::Multipart;
use tokio::io::AsyncWriteExt;

use crate::sandbox::options::Options;
use crate::sandbox::reply::Refusal;

/// Time for an import's body: 100 MB over a slow line.
const UPLOAD_TIMEOUT: Duration = Duration::from_secs(120);
/// Largest parameters: a mapping of every attribute of a large table.
const MAX_PARAMETERS: usize = 64 * 1024;

/// What came.
pub(super) struct Upload {
    pub(super) file: File,
    pub(super) bytes: u64,
    pub(super) parameters: Vec<u8>,
}

/// Receives the parts; whatever else is in the body is refused.
pub(super) async fn receive(request: Request<Incoming>, options: &Options) -> Result<Upload, Refusal> {
    let content_type = request.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let boundary = multer::parse_boundary(content_type)
        .map_err(|_| Refusal::bad("an import is multipart/form-data with a boundary"))?;
    let mut parts = Multipart::new(BodyDataStream::new(request.into_body()), boundary);
    let received = tokio::time::timeout(UPLOAD_TIMEOUT, parts_of(&mut parts, options)).await;
    received.unwrap_or_else(|_| Err(Refusal::new(StatusCode::REQUEST_TIMEOUT, "the body took over 120 s")))
}

async fn parts_of(parts: &mut Multipart<'_>, options: &Options) -> Result<Upload, Refusal> {
    let (mut file, mut parameters) = (None, None);
    let (file_part, parameters_part) = (&options.wire.file_part, &options.wire.parameters_part);
    while let Some(mut part) = parts.next_field().await.map_err(|error| broken(&error))? {
        match part.name() {
            Some(name) if name == file_part && file.is_none() => {
                file = Some(spool(&mut part, options.imports.max_zip_bytes).await?);
            }
            Some(name) if name == parameters_part && parameters.is_none() => {
                parameters = Some(small(&mut part).await?);
            }
            _ => return Err(Refusal::bad(format!("the parts are {file_part} and {parameters_part}, once each"))),
        }
    }
    match (file, parameters) {
        (Some((file, bytes)), Some(parameters)) => Ok(Upload { file, bytes, parameters }),
        (None, _) => Err(Refusal::bad(format!("the part {file_part} is missing"))),
        (_, None) => Err(Refusal::bad(format!("the part {parameters_part} is missing"))),
    }
}

/// Writes the part to a file without a name. A part that is too large is read to its end, so that the
/// client hears so.
async fn spool(part: &mut multer::Field<'_>, max: u64) -> Result<(File, u64), Refusal> {
    let file = tempfile::tempfile().map_err(|_| no_room())?;
    let mut file = tokio::fs::File::from_std(file);
    let mut bytes = 0;
    while let Some(chunk) = part.chunk().await.map_err(|error| broken(&error))? {
        bytes += chunk.len() as u64;
        if bytes <= max {
            file.write_all(&chunk).await.map_err(|_| no_room())?;
        }
    }
    if bytes > max {
        return Err(Refusal::bad(format!("the file is larger than {max} bytes")));
    }
    file.flush().await.map_err(|_| no_room())?;
    Ok((file.into_std().await, bytes))
}

async fn small(part: &mut multer::Field<'_>) -> Result<Vec<u8>, Refusal> {
    let mut all = Vec::new();
    while let Some(chunk) = part.chunk().await.map_err(|error| broken(&error))? {
        if all.len() + chunk.len() > MAX_PARAMETERS {
            return Err(Refusal::bad(format!("the parameters are larger than {MAX_PARAMETERS} bytes")));
        }
        all.extend_from_slice(&chunk);
    }
    Ok(all)
}

fn broken(_: &multer::Error) -> Refusal {
    Refusal::bad("the multipart body is broken")
}

fn no_room() -> Refusal {
    Refusal::new(StatusCode::INTERNAL_SERVER_ERROR, "the sandbox cannot write its temporary file")
}
