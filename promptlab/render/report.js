// Which answers are shown: the state is in the address (#show=all&a0=2), so that a view can be linked to.
// Texts of answers are never read here, only numbers that the report's maker wrote into the attributes.
"use strict";
(function () {
  var form = document.getElementById("filter");
  var fields = Array.prototype.slice.call(form.querySelectorAll("select"));
  var cards = Array.prototype.slice.call(document.querySelectorAll("article"));
  var said = document.getElementById("count");
  var standing = {};
  cards.forEach(function (card) {
    if (card.classList.contains("shown")) standing[card.dataset.point] = card.dataset.text;
  });
  function wanted() {
    var found = { show: "one" };
    location.hash.slice(1).split("&").forEach(function (part) {
      var at = part.indexOf("=");
      if (at > 0) found[part.slice(0, at)] = part.slice(at + 1);
    });
    return found;
  }
  function apply() {
    var want = wanted(), count = 0;
    fields.forEach(function (field) {
      var value = want[field.name] || "";
      for (var i = 0; i < field.options.length; i++) {
        if (field.options[i].value === value) field.value = value;
      }
    });
    cards.forEach(function (card) {
      var is = card.dataset;
      var seen = want.show === "all" ||
        (want.show === "differs" ? is.text !== "" && is.text !== standing[is.point] :
          want.show === "failed" ? is.state !== "done" : card.classList.contains("shown"));
      fields.forEach(function (field) {
        var value = want[field.name];
        if (field.name !== "show" && value && is[field.name] !== "any" && is[field.name] !== value) seen = false;
      });
      card.hidden = !seen;
      count += seen ? 1 : 0;
    });
    document.querySelector(".cards").dataset.show = want.show;
    said.textContent = count + " of " + cards.length + " answers";
  }
  form.addEventListener("change", function () {
    var parts = [];
    fields.forEach(function (field) {
      if (field.value) parts.push(field.name + "=" + field.value);
    });
    location.hash = parts.join("&");
  });
  window.addEventListener("hashchange", apply);
  form.hidden = false;
  apply();
})();
