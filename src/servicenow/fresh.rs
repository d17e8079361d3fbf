//! Requests as they are right now, read by their ids.

use std::collections::{BTreeMap, BTreeSet};

use super::catalog::IDS_A_CALL;
use super::checked::Checked;
use super::paging;
use super::query::Filter;
use super::requests::{TABLE, items_filter};
use super::rows::{Sweep, get};
use super::{ServiceNowError, ServiceNowReader};
use crate::model::{Record, Request, SysId};

/// A request as it is right now, for the moment before something is done for it or written on it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct FreshRequest {
    pub request: Request,
    /// `active` as stored: false when closed, though it can lag.
    pub active: bool,
    /// The user name of who changed it last.
    pub updated_by: String,
}

/// By their ids, those that are shown: as they are, or why one cannot be read.
pub(crate) type FreshRequests = BTreeMap<SysId, Result<FreshRequest, ServiceNowError>>;

impl ServiceNowReader {
    /// Reads one request afresh; `None` where it is gone or hidden.
    pub(crate) async fn request(
        &self,
        id: &SysId,
    ) -> Result<Option<FreshRequest>, ServiceNowError> {
        let operation = &operation(id);
        let doubt = |why: String| ServiceNowError::unbelievable(operation, why);
        let fields = self.fresh_fields();
        let Some(row) = self.connection.get(operation, TABLE, id, &fields).await? else {
            return Ok(None);
        };
        paging::present(&row, &fields, self.request_may_lack()).map_err(doubt)?;
        self.fresh(&row).map(Some).map_err(doubt)
    }

    /// Reads many requests afresh in a few calls. One that is missing is gone or hidden, as `None`
    /// of [`ServiceNowReader::request`]: either the count says that no more are there, or it was
    /// asked for by itself. What is wrong with one row concerns that one; the error is about all.
    pub(crate) async fn requests_by_id(
        &self,
        ids: &[SysId],
    ) -> Result<FreshRequests, ServiceNowError> {
        let ids: Vec<&SysId> = ids.iter().collect::<BTreeSet<_>>().into_iter().collect();
        let mut fresh = FreshRequests::new();
        for chunk in ids.chunks(IDS_A_CALL) {
            let mut left: BTreeSet<&SysId> = chunk.iter().copied().collect();
            // A list is cut by access rules, and by whatever halves it: as long as it shows
            // somebody, the others are asked for in another one.
            while left.len() > 1 {
                let before = left.len();
                let listed = self.list_fresh(&left).await?;
                for (id, read) in listed.read {
                    left.remove(&id);
                    fresh.insert(id, read);
                }
                if (before - left.len()) as u64 >= listed.announced {
                    left.clear();
                } else if left.len() == before {
                    break;
                }
            }
            for id in left {
                match self.request(id).await {
                    Ok(None) => {}
                    Ok(Some(it)) => drop(fresh.insert(id.clone(), Ok(it))),
                    Err(error) if error.is_about_object() => {
                        fresh.insert(id.clone(), Err(error));
                    }
                    Err(error) => return Err(error),
                }
            }
        }
        Ok(fresh)
    }

    /// Those of the requests that one list shows.
    async fn list_fresh(&self, ids: &BTreeSet<&SysId>) -> Result<Listed, ServiceNowError> {
        let about_all = format!("reading {} requests", ids.len());
        let list: Vec<_> = ids.iter().map(|id| id.as_str()).collect();
        let filter = Filter::parse(&format!("sys_idIN{}", list.join(",")))
            .map_err(|error| ServiceNowError::unbelievable(&about_all, error.to_string()))?;
        let items = self.looked_up();
        let sweep = Sweep {
            operation: &about_all,
            table: TABLE,
            filter,
            fields: self.fresh_fields(),
            may_lack: self.request_may_lack(),
            control: items_filter(items.known.iter().map(|it| &it.sys_id)).unwrap_or_default(),
            may_hide: 0,
        };
        let limit = u32::try_from(ids.len()).unwrap_or(u32::MAX);
        let query = sweep.filter.ordered();
        let (page, _) =
            self.connection.list(&about_all, TABLE, &query, &sweep.fields, limit).await?;
        let uncounted = "no X-Total-Count came with it, so hidden rows would not show";
        let announced = page.total.ok_or_else(|| sweep.doubt(uncounted.into()))?;
        if announced > ids.len() as u64 {
            let why = format!(
                "{announced} rows announced for {} ids: the condition was dropped",
                ids.len()
            );
            return Err(sweep.doubt(why));
        }
        let (rows, aside) = Checked::default().page(&self.connection, &sweep, page.rows).await?;
        let good = rows.iter().map(|row| (get(row, "sys_id"), self.fresh(row)));
        let aside = aside.iter().map(|it| (it.sys_id.as_str(), Err(it.why.clone())));
        let read = good.chain(aside).filter_map(|(id, read)| {
            let id = SysId::parse(id).ok().filter(|id| ids.contains(id))?;
            let read = read.map_err(|why| ServiceNowError::unbelievable(&operation(&id), why));
            Some((id, read))
        });
        Ok(Listed { announced, read: read.collect() })
    }

    fn fresh(&self, row: &Record) -> Result<FreshRequest, String> {
        Ok(FreshRequest {
            request: self.request_from(row)?,
            active: get(row, "active") == "true",
            updated_by: get(row, "sys_updated_by").to_owned(),
        })
    }

    fn fresh_fields(&self) -> BTreeSet<String> {
        let mut fields = self.request_fields();
        fields.insert("sys_updated_by".into());
        fields
    }
}

struct Listed {
    /// Rows that fit, hidden ones included.
    announced: u64,
    read: FreshRequests,
}

fn operation(id: &SysId) -> String {
    format!("reading the request {id}")
}
