"""Admin, access tokens: made, listed, renewed, ended, and what is refused."""

import grpc

from control_session import SECONDS, Session
from report import expect, expect_status, expect_that


def tokens(session: Session) -> None:
    admin, stub = session.admin, session.admin_stub
    node = admin.CreateTokenRequest(
        role="TOKEN_ROLE_NODE",
        name="stock client's node",
        node_id=session.node,
        region="stock",
        node_tenants=[session.tenant],
        expires_in_ms=3_600_000,
        author="tests",
    )
    secret = ""
    token_id = ""
    with session.report.check("Admin/CreateToken") as seen:
        made = stub.CreateToken(node, timeout=SECONDS)
        secret, token_id = made.secret, made.token.id
        expect_that(secret.startswith(f"bnd_{token_id}_"), "the secret does not name its token")
        expect("its length", len(secret), 67)
        expect("tenants", list(made.token.node_tenants), [session.tenant])
        expect("the time it lasts", made.token.expires_at_ms - made.token.created_at_ms, 3_600_000)
        for wrong in (
            admin.CreateTokenRequest(),
            admin.CreateTokenRequest(role="TOKEN_ROLE_AUTHOR"),
            admin.CreateTokenRequest(
                role="TOKEN_ROLE_OPERATOR", tenant=session.tenant, platform=True
            ),
            admin.CreateTokenRequest(role="TOKEN_ROLE_NODE", node_id="not a name"),
        ):
            expect_status(
                grpc.StatusCode.INVALID_ARGUMENT,
                lambda wrong=wrong: stub.CreateToken(wrong, timeout=SECONDS),
            )
        nowhere = admin.CreateTokenRequest(role="TOKEN_ROLE_VIEWER", tenant="no-such-tenant")
        expect_status(
            grpc.StatusCode.NOT_FOUND, lambda: stub.CreateToken(nowhere, timeout=SECONDS)
        )
        seen.append(token_id)
    with session.report.check("Admin/ListTokens"):
        request = admin.ListTokensRequest(tenant=session.tenant)
        listed = stub.ListTokens(request, timeout=SECONDS)
        expect("the tenant's tokens", [it.id for it in listed.tokens], [token_id])
        expect_that(secret not in str(listed), "the list shows the secret")
    with session.report.check("Admin/RotateToken"):
        renewed = stub.RotateToken(admin.RotateTokenRequest(id=token_id), timeout=SECONDS)
        expect("the id", renewed.token.id, token_id)
        expect_that(renewed.secret != secret, "the secret is the old one")
    with session.report.check("Admin/RevokeToken"):
        request = admin.RevokeTokenRequest(id=token_id)
        first = stub.RevokeToken(request, timeout=SECONDS)
        expect("changed", first.changed, True)
        expect_that(first.token.revoked_at_ms > 0, "no time of revocation")
        expect("changed again", stub.RevokeToken(request, timeout=SECONDS).changed, False)
        rotate = admin.RotateTokenRequest(id=token_id)
        expect_status(
            grpc.StatusCode.FAILED_PRECONDITION, lambda: stub.RotateToken(rotate, timeout=SECONDS)
        )
        unknown = admin.RevokeTokenRequest(id="aaaaaaaaaa")
        expect_status(
            grpc.StatusCode.NOT_FOUND, lambda: stub.RevokeToken(unknown, timeout=SECONDS)
        )
    with session.report.check("Admin/Audit") as seen:
        request = admin.AuditRequest(object_kind="Token", object=token_id, page_size=2)
        pages = [stub.Audit(request, timeout=SECONDS)]
        request.page_token = pages[0].next_page_token
        pages.append(stub.Audit(request, timeout=SECONDS))
        entries = [entry for page in pages for entry in page.entries]
        expect("the actions", [it.action for it in entries], ["revoke", "rotate", "create"])
        expect("the last page's token", pages[1].next_page_token, "")
        expect("who made it", entries[-1].actor, "tests")
        expect("the role where nobody is asked", entries[-1].role, "open")
        expect_that(all(it.peer for it in entries), "no peer")
        expect_that(secret not in str(pages), "the log shows the secret")
        wrong = admin.AuditRequest(page_token="x")
        expect_status(
            grpc.StatusCode.INVALID_ARGUMENT, lambda: stub.Audit(wrong, timeout=SECONDS)
        )
        seen.append(f"{len(entries)} entries")
