// SPDX-License-Identifier: Apache-2.0

// Programs that are started, and waiting for them.

import { existsSync } from 'node:fs';
import { delimiter, join } from 'node:path';

/** How long a program may take to start, or a page to show something, in ms: a cold browser on a busy machine. */
export const startTime = 60_000;

/** Finds the first of some programs, or returns ''. */
export function findProgram(...names) {
	for (const dir of process.env.PATH.split(delimiter))
		for (const name of names) if (existsSync(join(dir, name))) return join(dir, name);
	return '';
}

/** Resolves as soon as ask() resolves to something true, and fails after a time. */
export async function until(what, ask, time = startTime) {
	for (const end = Date.now() + time; ;) {
		// A page that reloads itself takes a question along that was just being asked: ask again.
		try {
			const answer = await ask();
			if (answer) return answer;
		} catch (error) {
			if (!/navigated or closed/.test(error.message)) throw error;
		}
		if (Date.now() > end) throw new Error(`waited ${time} ms for ${what}`);
		await new Promise(done => setTimeout(done, 50));
	}
}

/** Waits until a process that was asked to end is gone, and helps after a while. */
export async function ended(child) {
	if (child.exitCode !== null || child.signalCode) return;
	const gone = new Promise(done => child.once('exit', done));
	const timer = setTimeout(() => child.kill('SIGKILL'), 5_000);
	await gone;
	clearTimeout(timer);
}
