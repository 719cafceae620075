"use strict";

// A link /login#token=… signs in: a fragment never reaches a server or its logs.
function signInByLink() {
  const form = document.getElementById("login");
  const token = new URLSearchParams(location.hash.slice(1)).get("token");
  if (!token) {
    // Of the page that somebody was on; the browser has kept it through the way here.
    if (location.hash && !form.elements.next.value.includes("#")) form.elements.next.value += location.hash;
    return;
  }
  // Out of the address bar and the history before anything else.
  history.replaceState(null, "", location.pathname + location.search);
  form.elements.token.value = token;
  // Without its button: whoever is logged in as somebody else is asked first.
  form.submit();
}

// A second link opened in this tab changes only the fragment.
addEventListener("hashchange", signInByLink);
signInByLink();
