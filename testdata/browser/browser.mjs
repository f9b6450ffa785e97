// SPDX-License-Identifier: Apache-2.0

// Drives Debian's Chromium and Firefox (and WebKitGTK: webkit.mjs) without any package: Chromium speaks its DevTools protocol over a pipe
// (--remote-debugging-pipe), Firefox speaks Marionette over a loopback socket. All say the same five things here.

import { spawn } from 'node:child_process';
import { connect } from 'node:net';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ended, findProgram, startTime, until } from './process.mjs';
import { webkit, webkitProgram } from './webkit.mjs';

export { findProgram, until };

export const programs = {
	chromium: () => findProgram('chromium', 'chromium-browser', 'google-chrome'),
	firefox: () => findProgram('firefox-esr', 'firefox'),
	webkit: webkitProgram,
};

/**
 * Starts a browser with a fresh profile. The result has goto(url), run(expression), shot(file), close(), and the folder downloads.
 * @param {'chromium'|'firefox'|'webkit'} name
 * @param {{width?: number, height?: number, dark?: boolean, lang?: string, agent?: string, scripts?: boolean, trust?: string, camera?: string}} [look]
 *   agent: what it calls itself; trust: the hash of a certificate's public key; camera: a video file that Chromium takes for a camera's picture
 * @param {string} [kept] an empty folder for the profile, which stays when the browser is closed
 */
export async function open(name, look = {}, kept = '') {
	const program = programs[name]();
	if (!program) throw new Error(`${name} is not installed`);
	const profile = kept || mkdtempSync(join(tmpdir(), 'latchkey-browser-'));
	mkdirSync(downloads(profile), { recursive: true });
	const size = { width: 390, height: 844, dark: false, lang: 'en', agent: '', scripts: true, trust: '', camera: '', ...look };
	const browser = await { chromium, firefox, webkit }[name](program, profile, size);
	const end = browser.close;
	browser.downloads = downloads(profile);
	browser.close = async () => {
		await end();
		if (kept) return;
		// Helper processes of the browser may still be writing while they end.
		await until('the end of the profile', () => {
			try {
				rmSync(profile, { recursive: true, force: true });
			} catch (error) {
				if (error.code !== 'ENOTEMPTY') throw error;
			}
			return !existsSync(profile);
		});
	};
	return browser;
}

const downloads = profile => join(profile, 'downloads');

async function chromium(program, profile, { width, height, dark, lang, agent, scripts, trust, camera }) {
	const child = spawn(program, [
		'--headless', '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking',
		'--disable-component-update', '--disable-sync', '--disable-dev-shm-usage', '--hide-scrollbars', `--lang=${lang}`, `--accept-lang=${lang}`,
		...trust ? [`--ignore-certificate-errors-spki-list=${trust}`] : [],
		...camera ? ['--use-fake-device-for-media-stream', '--use-fake-ui-for-media-stream', `--use-file-for-fake-video-capture=${camera}`] : [],
		...agent ? [`--user-agent=${agent}`] : [],
		`--user-data-dir=${profile}`, '--remote-debugging-pipe', 'about:blank',
	], { stdio: ['ignore', 'ignore', 'ignore', 'pipe', 'pipe'] });
	const [, , , to, from] = child.stdio;
	const waiting = new Map();
	let next = 0, text = '';
	const fail = error => { for (const w of waiting.values()) w.no(error); waiting.clear(); };
	child.on('exit', () => fail(new Error('chromium ended')));
	child.on('error', fail);
	to.on('error', fail);
	from.setEncoding('utf8').on('data', part => {
		const whole = (text + part).split('\0');
		text = whole.pop();
		for (const message of whole.map(JSON.parse)) {
			const w = waiting.get(message.id);
			waiting.delete(message.id);
			if (w) message.error ? w.no(new Error(`${w.method}: ${message.error.message}`)) : w.yes(message.result);
		}
	});
	const call = (method, params = {}, sessionId) => new Promise((yes, no) => {
		waiting.set(++next, { yes, no, method });
		to.write(JSON.stringify({ id: next, method, params, sessionId }) + '\0');
	});
	const page = await until('a page of chromium', async () =>
		(await call('Target.getTargets')).targetInfos.find(t => t.type === 'page'), startTime);
	const { sessionId } = await call('Target.attachToTarget', { targetId: page.targetId, flatten: true });
	const tell = (method, params) => call(method, params, sessionId);
	await tell('Page.enable');
	if (!scripts) await tell('Emulation.setScriptExecutionDisabled', { value: true });
	await call('Browser.setDownloadBehavior', { behavior: 'allow', downloadPath: downloads(profile) });
	await tell('Emulation.setDeviceMetricsOverride', { width, height, deviceScaleFactor: 2, mobile: true });
	await tell('Emulation.setEmulatedMedia', { features: [{ name: 'prefers-color-scheme', value: dark ? 'dark' : 'light' }] });
	const run = async expression => {
		const r = await tell('Runtime.evaluate', { expression, awaitPromise: true, returnByValue: true });
		if (r.exceptionDetails) throw new Error(r.exceptionDetails.exception?.description ?? r.exceptionDetails.text);
		return r.result.value;
	};
	return {
		run,
		async goto(url) {
			await tell('Page.navigate', { url: 'about:blank' });
			const { errorText } = await tell('Page.navigate', { url });
			if (errorText) throw new Error(`${url}: ${errorText}`);
			await until(url, () => run('document.readyState === "complete" && location.href !== "about:blank"'));
		},
		async shot(file) {
			writeFileSync(file, Buffer.from((await tell('Page.captureScreenshot')).data, 'base64'));
		},
		async close() {
			await call('Browser.close').catch(() => {});
			await ended(child);
		},
	};
}

async function firefox(program, profile, { width, height, dark, lang, agent, scripts }) {
	const prefs = {
		'marionette.port': 0, 'ui.systemUsesDarkTheme': dark ? 1 : 0, 'intl.accept_languages': lang, 'layout.css.devPixelsPerPx': '2',
		'browser.download.folderList': 2, 'browser.download.dir': downloads(profile), 'browser.download.useDownloadDir': true,
		'app.normandy.enabled': false, 'app.update.enabled': false, 'datareporting.policy.dataSubmissionEnabled': false,
		'browser.safebrowsing.malware.enabled': false, 'browser.safebrowsing.phishing.enabled': false, 'network.captive-portal-service.enabled': false,
		'network.connectivity-service.enabled': false, 'browser.newtabpage.enabled': false, 'extensions.update.enabled': false,
		'services.settings.server': 'data:,', 'javascript.enabled': scripts, ...agent ? { 'general.useragent.override': agent } : {}, 'toolkit.telemetry.enabled': false, 'browser.shell.checkDefaultBrowser': false,
	};
	writeFileSync(join(profile, 'user.js'), Object.entries(prefs).map(([k, v]) => `user_pref(${JSON.stringify(k)}, ${JSON.stringify(v)});\n`).join(''));
	const child = spawn(program, ['--headless', '--no-remote', '--marionette', '--profile', profile, '--width', width, '--height', height, 'about:blank'], {
		stdio: 'ignore',
		// Else it may end up in the profile of whoever is logged in.
		env: { ...process.env, HOME: profile, MOZ_HEADLESS_WIDTH: width, MOZ_HEADLESS_HEIGHT: height },
	});
	const port = await until('the port of firefox', () => {
		if (child.exitCode !== null) throw new Error('firefox ended');
		const file = join(profile, 'MarionetteActivePort');
		return existsSync(file) && +readFileSync(file, 'utf8');
	}, startTime);
	const socket = connect(port, '127.0.0.1');
	const waiting = new Map();
	let next = 0, bytes = Buffer.alloc(0);
	const fail = error => { for (const w of waiting.values()) w.no(error); waiting.clear(); };
	socket.on('error', fail).on('close', () => fail(new Error('firefox ended')));
	await new Promise(greeted => socket.on('data', part => {
		bytes = Buffer.concat([bytes, part]);
		for (;;) {
			const colon = bytes.indexOf(':');
			const end = colon + 1 + +bytes.subarray(0, Math.max(colon, 0));
			if (colon < 0 || bytes.length < end) return;
			const message = JSON.parse(bytes.subarray(colon + 1, end));
			bytes = bytes.subarray(end);
			if (!Array.isArray(message)) { greeted(); continue; }
			const [, id, error, result] = message;
			const w = waiting.get(id);
			waiting.delete(id);
			if (w) error ? w.no(new Error(`${w.method}: ${error.error}: ${error.message}`)) : w.yes(result);
		}
	}));
	const tell = (method, params = {}) => new Promise((yes, no) => {
		waiting.set(++next, { yes, no, method });
		const text = JSON.stringify([0, next, method, params]);
		socket.write(`${Buffer.byteLength(text)}:${text}`);
	});
	await tell('WebDriver:NewSession', { acceptInsecureCerts: true });
	const run = async expression => (await tell('WebDriver:ExecuteScript', { script: `return (${expression})`, args: [], newSandbox: false, sandbox: null })).value;
	return {
		run,
		async goto(url) {
			await tell('WebDriver:Navigate', { url: 'about:blank' });
			await tell('WebDriver:Navigate', { url });
		},
		async shot(file) {
			writeFileSync(file, Buffer.from((await tell('WebDriver:TakeScreenshot', { full: false })).value, 'base64'));
		},
		async close() {
			await tell('Marionette:Quit', { flags: ['eForceQuit'] }).catch(() => {});
			socket.destroy();
			await ended(child);
		},
	};
}
