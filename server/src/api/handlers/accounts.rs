//! Balances of accounts.

use holdfast_core::AccountId;
use poem::http::StatusCode;
use poem::web::Data;
use poem_openapi::OpenApi;
use poem_openapi::param::Path;

use crate::api::document::answers::Answer;
use crate::api::document::operations;
use crate::api::front_door::FrontDoor;
use crate::api::problem::{Kind, Problem};
use crate::api::request::principal::Principal;
use crate::api::tags::Tag;
use crate::api::views::account::AccountView;
use crate::web::json::json;

pub(crate) struct AccountsApi;

#[OpenApi(tag = "Tag::Books")]
impl AccountsApi {
    /// Get an account
    ///
    /// Its balances in each currency. A payment holds its amount on admission, posts it
    /// when it settles, and voids it when it fails, each once and together with the change of state.
    #[oai(
        path = "/v1/accounts/:account",
        method = "get",
        operation_id = "getAccount"
    )]
    async fn account(
        &self,
        front_door: Data<&FrontDoor>,
        principal: Principal,
        /// The account's name.
        account: Path<String>,
    ) -> poem::Result<Answer<operations::Account>> {
        let never_moved = || {
            Problem::new(
                Kind::NotFound,
                "There is no such account: there was never a movement on it.",
            )
        };
        let account = AccountId::new(&account.0).map_err(|_| never_moved())?;
        let balances = front_door.service.account(&principal.0, &account).await;
        let balances = balances.map_err(Problem::from)?;
        if balances.is_empty() {
            return Err(never_moved().into());
        }
        Ok(json(StatusCode::OK, &AccountView::of(&account, &balances)).into())
    }
}
