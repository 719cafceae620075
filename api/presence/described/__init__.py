"""The calls as they are declared: parameters, answers, who may."""
