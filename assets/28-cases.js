/* Forms that write the URL (components/cases.py) stay in the app: several values of one name are
   one field, empty ones are left out, as domain/filters.py reads it. */
(() => {
  "use strict";
  document.addEventListener("submit", (event) => {
    const form = event.target.closest?.("form[data-stay]");
    if (!form || event.defaultPrevented) return;
    event.preventDefault();
    const fields = new Map();
    for (const [name, value] of new FormData(form)) {
      if (typeof value !== "string" || value.trim() === "") continue;
      fields.set(name, fields.has(name) ? `${fields.get(name)},${value}` : value);
    }
    const search = [...fields]
      .map(([name, value]) => `${name}=${encodeURIComponent(value).replaceAll("%2C", ",")}`)
      .join("&");
    const path = form.getAttribute("action");
    window.history.pushState({}, "", search ? `${path}?${search}` : path);
    window.dispatchEvent(new CustomEvent("_dashprivate_pushstate"));
  });
})();
