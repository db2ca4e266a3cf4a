// Numbers and outcomes in words.

export const OUTCOMES = ["accepted", "surplus", "made", "unjudged", "rejected", "undrawn", "dropped", "failed"];

export const SAID = {
  accepted: "accepted", surplus: "surplus", made: "not judged", unjudged: "unjudged", rejected: "rejected",
  undrawn: "drawing rejected", dropped: "dropped", failed: "failed",
};

export const whole = (number) => number.toLocaleString("en-US");

export const percent = (share) => `${Math.round(100 * share)}%`;

export const score = (number) => (number === null || number === undefined ? "" : Number(number).toFixed(1));

export const plural = (count, noun) => `${whole(count)} ${noun}${count === 1 ? "" : "s"}`;

export function money(amount, currency) {
  if (!currency || amount === null || amount === undefined) return "";
  return `${amount.toLocaleString("en-US", amount >= 1 || !amount ? { minimumFractionDigits: 2, maximumFractionDigits: 2 }
    : { maximumSignificantDigits: 2 })} ${currency}`;
}

export function duration(seconds) {
  if (seconds < 100) return `${Math.round(seconds)} s`;
  return seconds < 6000 ? `${Math.round(seconds / 60)} min` : `${(seconds / 3600).toFixed(1)} h`;
}

/** A name, or words for a missing name. */
export const named = (name) => name || "(none given)";
