// SPDX-License-Identifier: Apache-2.0

// The pages that tests and the preview look at: a scene of the app's modules with nothing of LuCI but
// the shim, and a view as LuCI shows it, on the stand-in luci.js or on LuCI's own files where
// LUCI_RESOURCES names the folder that has luci.js.

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { app, tests, source, moduleNames, catalog } from './modules.mjs';

export const REAL = process.env.LUCI_RESOURCES;

const PURE = moduleNames().filter(n => !/^'require (ui|uci|rpc|uqr|latchkey\.(api|grid|page|store)( as \w+)?)';$/m.test(source(n)));

// Colours as a theme of LuCI sets them, in light and dark.
export const THEME = `
	:root { --border-color-medium: #ccc; --text-color-high: #404040; color-scheme: light; }
	:root[data-darkmode="true"] { --border-color-medium: #484848; --text-color-high: #bfbfbf; color-scheme: dark; }
	body { margin: 1em; font: 13px/18px sans-serif; color: #404040; background: #fff; }
	:root[data-darkmode="true"] body { color: #bfbfbf; background: #222; }
	.btn { font: inherit; padding: 4px 14px; border: 1px solid; border-radius: 4px; background: none; color: inherit; }
	.cbi-value { display: flex; flex-wrap: wrap; gap: 1em; margin: 1em 0; } .cbi-value-title { min-width: 11em; }
	.cbi-value[hidden] { display: none; }`;

// The texts of a language and its plural as an expression of n; the sources' own English without one.
export function translations(language) {
	const entries = {};

	if (!language)
		return { entries, plural: 'n != 1' };

	const po = catalog(language);

	po.entries.forEach(e => entries[(e.context != null ? e.context + '\u0001' : '') + e.id] = e.plural ? e.translations : e.translations[0]);

	return { entries, plural: po.header['Plural-Forms'].match(/plural=([^;]+);/)[1] };
}

// A value as JavaScript that ends no script of HTML.
const inScript = value => JSON.stringify(value).replaceAll('<', '\\u003c');

// A page with the element root for a scene of scenes.js, whose script is to be added.
export function scenePage(language, dark) {
	const { entries, plural } = translations(language);
	const sources = Object.fromEntries(PURE.map(n => [ n, source(n) ]));

	return `<!doctype html><html lang="${(language || 'en').replace('_', '-')}" data-darkmode="${!!dark}"><head><meta charset="utf-8">
		<meta name="viewport" content="width=device-width, initial-scale=1"><title>Latchkey</title><link rel="icon" href="data:,">
		<style>${THEME}</style><style>${readFileSync(join(app, 'htdocs/luci-static/resources/view/latchkey/latchkey.css'), 'utf8')}</style>
		<script>${readFileSync(join(tests, 'shim.js'), 'utf8')}</script></head><body><main><h1>Router</h1><h2>Latchkey</h2><div id="root" class="lk"></div></main>
		<script>
			const data = ${inScript({ entries, sources })};
			Object.assign(globalThis, Shim.translator(data.entries, n => ${plural}));
			globalThis.need = Shim.loader(name => data.sources[name]);
			globalThis.E = need('latchkey.element').make;
			globalThis.root = document.getElementById('root');
			globalThis.calls = [];
		</script></body></html>`;
}

const file = path => readFileSync(path, 'utf8');

// All sources are in the page: to ask for each of them took most of the time of a test.
function standIn(view, writer, language) {
	const { entries, plural } = translations(language);
	const sources = Object.fromEntries([ view, ...moduleNames() ].map(n => [ n, source(n) ]));

	return `<script>${file(join(tests, 'shim.js'))}</script><script>globalThis.writer = ${writer};</script><script>${file(join(tests, 'luci.js'))}</script><script>
		const data = ${inScript({ entries, sources })};
		Object.assign(globalThis, Shim.translator(data.entries, n => ${plural}), { E: Luci.E, L: Luci.L });
		const need = Shim.loader(name => data.sources[name], Luci.modules);
		const v = need(${JSON.stringify(view)});
		${view.startsWith('view.status') ? 'v.load().then(d => v.render(d)).then(n => Luci.content(document.getElementById("view"), n))' : 'Luci.show(v)'}.then(() => document.body.classList.add('ready'));</script>`;
}

function real(view, writer) {
	const env = { token: '0', media: '/m', resource: '/luci-static/resources', scriptname: '/cgi-bin/luci', pathinfo: '', requestpath: [], dispatchpath: [],
		pollinterval: 600, ubuspath: '/ubus', sessionid: '0', nodespec: { satisfied: true, readonly: !writer }, apply_rollback: 30, apply_holdoff: 1, apply_timeout: 5 };

	return `<script src="/luci-static/resources/cbi.js"></script><script src="/luci-static/resources/luci.js"></script><script>
		window.TR = {};
		window.L = new LuCI(${JSON.stringify(env)});
		${view.startsWith('view.status')
			? `document.addEventListener('luci-loaded', () => L.require('${view}').then(v => v.load().then(d => v.render(d)).then(n => L.dom.content(document.getElementById('view'), n))));`
			: `L.require('ui').then(ui => ui.instantiateView('${view.replace('view.', '').replaceAll('.', '/')}'));`}</script>`;
}

// The page of a view, as LuCI's server makes it.
export function viewPage(view, { writer = true, dark = false, language, live = false }) {
	return `<!doctype html><html lang="${(language || 'en').replace('_', '-')}" data-darkmode="${dark}"><head><meta charset="utf-8">
		<meta name="viewport" content="width=device-width, initial-scale=1"><title>LuCI</title><link rel="icon" href="data:,"><style>${THEME}
		.modal { max-width: 50em; margin: 1em auto; padding: 1em; border: 1px solid; overflow-wrap: anywhere; } td { border: 1px solid; padding: .4em; overflow-wrap: anywhere; }</style></head>
		<body><main id="maincontent"><h1>Router</h1><div id="view"></div></main>${live ? '<script>globalThis.live = true;</script>' : ''}${REAL ? real(view, writer) : standIn(view, writer, language)}</body></html>`;
}

// What ubus says over HTTP, by answer(object, method, args).
export function reply(request, answer) {
	if (Array.isArray(request))
		return request.map(r => reply(r, answer));
	if (request.method != 'call')
		return { jsonrpc: '2.0', id: request.id, result: {} };

	const [ , object, method, args ] = request.params;
	const a = answer(object, method, args || {}) ?? {};

	return a.rpc ? { jsonrpc: '2.0', id: request.id, error: a.rpc } : { jsonrpc: '2.0', id: request.id, result: a.code ? [ a.code ] : [ 0, a ] };
}
