"""The Books API as somebody tries it who has read a tutorial: pytest and httpx, over REST.

Of a running suite: SOUK_URL=http://127.0.0.1:8080 SOUK_ADMIN_PASSWORD=… pytest tests/clients/books
"""

import os

import httpx
import pytest

EMAIL = os.environ.get("SOUK_ADMIN_EMAIL", "admin@souk.localhost")
BOOK = {
    "title": "To Kill a Mockingbird",
    "author": "Harper Lee",
    "isbn": "9780000000001",
    "price": 12.5,
    "genre": "classic",
}


@pytest.fixture(scope="module")
def api():
    with httpx.Client(base_url=os.environ.get("SOUK_URL", "http://127.0.0.1:8080")) as client:
        password = os.environ["SOUK_ADMIN_PASSWORD"]
        form = {"grant_type": "password", "username": EMAIL, "password": password}
        token = client.post("/v1/auth/token", data=form).raise_for_status().json()
        client.headers["Authorization"] = f"Bearer {token['access_token']}"
        yield client


@pytest.fixture
def book(api):
    response = api.post("/v1/books", json=BOOK)
    assert response.status_code == 201, response.text
    assert response.headers["Location"] == f"/v1/books/{response.json()['id']}"
    yield response.json()
    api.delete(f"/v1/books/{response.json()['id']}")


def test_a_book_comes_back_as_it_was_created(api, book):
    got = api.get(f"/v1/books/{book['id']}")
    assert got.status_code == 200
    assert got.json() == book
    assert {name: got.json()[name] for name in BOOK} == BOOK
    assert got.json()["in_stock"] is True


@pytest.mark.parametrize("isbn", ["", "123", "978000000000", "97800000000012", "978000000000X"])
def test_a_bad_isbn_is_refused_by_name(api, isbn):
    refused = api.post("/v1/books", json=BOOK | {"isbn": isbn})
    assert refused.status_code == 422
    assert [detail["field"] for detail in refused.json()["error"]["details"]] == ["isbn"]


@pytest.mark.parametrize("price", [0, -1, 10000.01])
def test_a_bad_price_is_refused_by_name(api, price):
    refused = api.post("/v1/books", json=BOOK | {"price": price})
    assert refused.status_code == 422
    assert [detail["field"] for detail in refused.json()["error"]["details"]] == ["price"]


@pytest.mark.parametrize("book_id", ["nonexistent-id", "prod_01h455vb4pex5vsknk084sn02q"])
def test_an_unknown_id_is_not_found(api, book_id):
    missing = api.get(f"/v1/books/{book_id}", headers={"Accept": "application/problem+json"})
    assert missing.status_code == 404
    assert missing.headers["Content-Type"] == "application/problem+json"
    assert "not found" in missing.json()["detail"]


def test_a_change_leaves_the_rest(api, book):
    changed = api.patch(f"/v1/books/{book['id']}", json={"price": 9.99})
    assert changed.status_code == 200
    assert changed.json()["price"] == 9.99
    assert changed.json()["title"] == book["title"]
    sold_out = api.patch(f"/v1/books/{book['id']}", json={"in_stock": False}).json()
    assert (sold_out["in_stock"], sold_out["price"]) == (False, 9.99)


def test_books_come_in_numbered_pages(api):
    genre = f"test-{os.getpid()}"
    made = [
        api.post("/v1/books", json=BOOK | {"title": f"Book {n}", "genre": genre}).json()["id"]
        for n in range(5)
    ]
    where = {"genre": genre, "in_stock": "true", "size": 2}
    pages = [api.get("/v1/books", params=where | {"page": page}).json() for page in (1, 2, 3)]
    assert [book["id"] for page in pages for book in page["data"]] == made
    assert pages[2]["pagination"] == {"page": 3, "size": 2, "total": 5, "pages": 3}
    for book_id in made:
        assert api.delete(f"/v1/books/{book_id}").status_code == 204


def test_a_deleted_book_is_gone(api, book):
    assert api.delete(f"/v1/books/{book['id']}").status_code == 204
    assert api.get(f"/v1/books/{book['id']}").status_code == 404
    assert api.delete(f"/v1/books/{book['id']}").status_code == 404
