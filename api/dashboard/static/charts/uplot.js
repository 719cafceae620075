// uPlot: comes after the first paint, once, with its own rules.

import { make } from "../ui/dom.js";
import { t } from "../lib/texts.js";

let loading;

/** The constructor. Fails with what helps, in words. */
export function uPlot() {
  loading ??= (async () => {
    await painted();
    await Promise.all([sheet("uPlot.min.css"), script("uPlot.iife.min.js")]);
    return window.uPlot;
  })().catch((error) => {
    loading = undefined; // the next chart tries again
    throw error;
  });
  return loading;
}

const painted = () =>
  new Promise((done) => (document.hidden ? setTimeout(done) : requestAnimationFrame(() => setTimeout(done))));

const addressOf = (name) => `${document.documentElement.dataset.uplot}/${name}`;

const sheet = (name) => added(Object.assign(make("link"), { rel: "stylesheet", href: addressOf(name) }), name);
const script = (name) => added(Object.assign(make("script"), { src: addressOf(name) }), name);

function added(node, name) {
  return new Promise((done, failed) => {
    node.onload = done;
    node.onerror = async () => {
      node.remove();
      failed(new Error(await reason(addressOf(name))));
    };
    document.head.append(node);
  });
}

/** An installation without uPlot says what to do. */
async function reason(address) {
  try {
    return (await (await fetch(address)).json()).detail;
  } catch (error) {
    return t("uPlot cannot be loaded");
  }
}
