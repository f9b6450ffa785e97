/* What was seen of a door. A fetch settles, well or badly, when something came back; a refused connection and a service's greeting look alike.
   So a door is open only if its port was silent and then answered, while a port at which nothing is (the other one) was silent before and after:
   what refuses connections, an address without a route and a name that does not exist "answer" at both.
   before, after: for each host {door, other}, the ms after which something came, or undefined; age: ms since after began; over: nothing is waited for any more.
   Returns the word for all hosts, and a host it was seen at: open; wait (it answered, the other port may do so yet); silent; before (it answered
   before the knock); answers (the other port does, too). */
function judge(before, after, age, over) {
	const words = {};
	for (const host of Object.keys(before)) words[judgeHost(before[host], after[host], age)] ??= host;
	const word = ['open', 'wait', ...over ? ['before', 'silent'] : ['silent', 'before'], 'answers'].find(w => w in words);
	return {word, host: words[word]};
}

function judgeHost(before, after, age) {
	const other = before.other ?? after.other;
	/* it is the system that gives up a host which does not answer, after seconds */
	if (other !== undefined) return other < 900 ? 'answers' : 'silent';
	if (before.door !== undefined) return age < settled(before.door) ? 'wait' : 'before';
	if (after.door !== undefined) return age - after.door < settled(after.door) ? 'wait' : 'open';
	return 'silent';
}

/* how much later the other port may answer if the door took so long, both in ms */
const settled = ms => Math.min(Math.max(ms, 100), 600);
