"""From a hierarchy of token groups to scored masks: candidates, cues, scores, selection, pixels."""
